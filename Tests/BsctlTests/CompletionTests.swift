import Foundation
import XCTest

@testable import bsctl

/// Completion scripts: bash is really driven, the others are read by their shells where these are installed.
final class CompletionTests: CommandTest {
    /// What bash proposes at the end of `line`.
    private func propose(
        _ line: String, breaks: String = " \t\n\"'><=;|&(:", file: StaticString = #filePath, at number: UInt = #line
    ) -> [String] {
        let script = directory + "/bsctl.bash"
        if !Disk.exists(script) { Disk.write(expect(0, "completions bash").output, to: script) }
        // As readline splits it: at spaces, and into pieces at the breaks : and =.
        var words: [String] = []
        for word in line.split(separator: " ", omittingEmptySubsequences: false).map(String.init) {
            var piece = ""
            var isBreak = false
            for letter in word {
                let breaksHere = ":=".contains(letter) && breaks.contains(letter)
                if !piece.isEmpty, breaksHere != isBreak {
                    words.append(piece)
                    piece = ""
                }
                isBreak = breaksHere
                piece.append(letter)
            }
            words.append(piece)
            if isBreak { words.append("") }
        }
        let program = """
            source \(script)
            bsctl() { \(Self.binaryPath) "$@"; }
            COMP_WORDBREAKS=$1 COMP_LINE=$2
            COMP_POINT=${#COMP_LINE}
            shift 2
            COMP_WORDS=("$@")
            COMP_CWORD=$(($# - 1))
            _bsctl bsctl "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
            ((${#COMPREPLY[@]} == 0)) || printf '%s\\n' "${COMPREPLY[@]}"
            """
        let outcome = Child(
            (["/bin/bash", "-c", program, "bash", breaks, line] + words).map(Disk.bytes), in: directory,
            environment: ["PATH=/usr/bin:/bin", "BSCTL_STORE=\(store)"], input: "/dev/null",
            scratch: directory + "/.bash"
        ).wait()
        XCTAssertEqual(outcome.complaints, "", line, file: file, line: number)
        return outcome.text.split(separator: "\n").map(String.init).sorted()
    }

    func testBashCompletesCommandsAndOptions() throws {
        XCTAssertEqual(propose("bsctl sta"), ["stat", "status"])
        XCTAssertEqual(propose("bsctl device r"), ["relabel", "remove", "replace"])
        XCTAssertEqual(propose("bsctl --json device dr"), ["drain"])
        XCTAssertEqual(propose("bsctl help und"), ["undelete"])
        XCTAssertEqual(propose("bsctl put --if"), ["--if-absent", "--if-version"])
        XCTAssertEqual(propose("bsctl device set x --w"), ["--weight"])
        XCTAssertEqual(propose("bsctl nonsense --w"), [])
        XCTAssertTrue(propose("bsctl ").contains("init"))
        for command in CommandTable.all {
            let found = propose("bsctl \(command.name) --")
            for option in command.options + Options.everywhere {
                XCTAssertTrue(found.contains("--\(option.name)"), command.name)
            }
        }
    }

    func testBashCompletesValuesWithAFixedChoice() {
        XCTAssertEqual(propose("bsctl completions f"), ["fish"])
        // The shell holds rs: for a word of its own.
        XCTAssertEqual(propose("bsctl init h --profile rs:1"), ["10+4", "17+3"])
        XCTAssertEqual(propose("bsctl init h --profile=rs:1"), ["10+4", "17+3"])
        XCTAssertEqual(propose("bsctl init h --profile rs:1", breaks: " \n"), ["rs:10+4", "rs:17+3"])
        XCTAssertEqual(
            propose("bsctl init h --profile=rs:1", breaks: " \n"), ["--profile=rs:10+4", "--profile=rs:17+3"])
        XCTAssertEqual(propose("bsctl put f --min-shards 1"), [], "a value that is anything is not proposed")
    }

    func testBashAsksTheStoreForKeysAndDevices() {
        makeStore()
        for key in [
            "photos/a.jpg", "photos/b c.jpg", "photos/2019/x", "photos/2019/y", "plain", "other:one", "other:two",
        ] {
            put([1], as: key)
        }
        XCTAssertEqual(propose("bsctl get p"), ["photos/", "plain"])
        XCTAssertEqual(propose("bsctl get photos/"), ["photos/2019/", "photos/a.jpg", "photos/b c.jpg"])
        XCTAssertEqual(propose("bsctl get photos/2019/"), ["photos/2019/x", "photos/2019/y"])
        XCTAssertEqual(propose("bsctl get other:t"), ["two"])
        XCTAssertEqual(propose("bsctl rm plain ph"), ["photos/"], "each operand is a key")
        XCTAssertEqual(propose("bsctl device drain disk-"), (1...6).map { "disk-\($0)" })
        XCTAssertEqual(propose("bsctl device relabel disk-1 disk-"), [], "a new label is not proposed")
        XCTAssertEqual(propose("bsctl prune --prefix ph"), ["photos/"])
        environment = []
        let elsewhere = directory + "/other"
        expect(0, "init \(elsewhere) --disks 3 --profile rs:2+1")
        XCTAssertEqual(propose("bsctl --store \(elsewhere) device drain "), ["disk-1", "disk-2", "disk-3"])
        XCTAssertEqual(propose("bsctl device drain --store=\(elsewhere) "), ["disk-1", "disk-2", "disk-3"])
    }

    func testBashProposesTheVersionsOfTheKey() {
        makeStore()
        for content in 1...3 { put([UInt8(content)], as: "a:b c") }
        put([1], as: "other")
        expect(0, "rm other")
        func versions(_ key: String) -> [String] {
            run([Disk.bytes("versions"), Disk.bytes(key)]).text.split(separator: "\n").dropFirst().map {
                String($0.split(separator: " ")[0])
            }
        }
        let (three, two) = (versions("a:b c"), versions("other"))
        XCTAssertEqual(three.count, 3)
        XCTAssertEqual(propose("bsctl get other --version "), two.sorted())
        XCTAssertEqual(
            propose("bsctl rm other --version=\(two[0].prefix(2))"), two.filter { $0.hasPrefix(two[0].prefix(2)) })
        XCTAssertEqual(propose("bsctl get other file --version "), two.sorted(), "the key is the first operand")
        XCTAssertEqual(propose("bsctl cp nothing other --if-version "), two.sorted(), "the target is the last")
        XCTAssertEqual(propose("bsctl cp other nothing --version "), two.sorted())
        XCTAssertEqual(propose("bsctl restore --version "), [], "no key yet")
        XCTAssertEqual(propose("bsctl restore nothing --version "), [])
        let key = run([Disk.bytes("completions"), Disk.bytes("versions"), Disk.bytes("a:b c")])
        XCTAssertEqual(key.text.split(separator: "\n").map(String.init), three, "the newest first")
        expect(2, "completions versions")
        expect(2, "completions keys a b")
    }

    func testBashCompletesEachOfSeveralValues() {
        for name in ["some-a", "some-b"] { Disk.makeDirectory(directory + "/" + name) }
        XCTAssertEqual(propose("bsctl recover --device some-a some"), ["some-a", "some-b"])
        XCTAssertEqual(propose("bsctl init h --device x y some"), ["some-a", "some-b"])
        XCTAssertEqual(propose("bsctl init h --device x y --prof"), ["--profile"])
        XCTAssertEqual(propose("bsctl init h --device x y --profile rs:8+3 some"), [], "HOME is there already")
    }

    func testBashCompletesFilesAndDirectories() {
        Disk.makeDirectory(directory + "/some-dir")
        Disk.write([1], to: directory + "/some-file")
        XCTAssertEqual(propose("bsctl put some"), ["some-dir", "some-file"])
        XCTAssertEqual(propose("bsctl init some"), ["some-dir"])
        XCTAssertEqual(propose("bsctl get key some"), ["some-dir", "some-file"])
        XCTAssertEqual(propose("bsctl recover --device some"), ["some-dir"])
        XCTAssertEqual(propose("bsctl get a b some"), [], "there is no third operand")
    }

    func testWithoutAStoreNothingIsProposedAndNothingSaid() {
        XCTAssertEqual(propose("bsctl get p"), [])
        for line in ["completions keys", "completions devices", "completions keys x --store /nowhere"] {
            let outcome = expect(0, line)
            XCTAssertEqual(outcome.text + outcome.complaints, "")
        }
    }

    func testAnswersAreBounded() {
        makeStore()
        Disk.makeDirectory(directory + "/tree")
        for number in 0..<300 { Disk.write([], to: "\(directory)/tree/\(number)") }
        expect(0, "put -r tree a/b")
        expect(0, "put -r tree c")
        XCTAssertEqual(expect(0, "completions keys").text, "a/\nc/\n")
        XCTAssertEqual(expect(0, "completions keys c/").text.split(separator: "\n").count, 200)
    }

    private func check(_ shell: String, _ arguments: [String]) throws {
        let path = "/usr/bin/\(shell)"
        try XCTSkipUnless(Disk.exists(path), "\(shell) is not installed")
        let script = directory + "/script"
        Disk.write(expect(0, "completions \(shell)").output, to: script)
        let outcome = Child(
            ([path] + arguments + [script]).map(Disk.bytes), in: directory,
            environment: ["PATH=/usr/bin:/bin", "HOME=\(directory)"],
            input: "/dev/null", scratch: directory + "/.shell"
        ).wait()
        XCTAssertEqual(outcome.code, 0, outcome.complaints)
        XCTAssertEqual(outcome.complaints, "")
    }

    func testZshCompletes() throws {
        try XCTSkipUnless(Disk.exists("/usr/bin/zsh"), "zsh is not installed")
        makeStore()
        put([1], as: "photos/a")
        Disk.makeDirectory(directory + "/functions")
        Disk.write(expect(0, "completions zsh").output, to: directory + "/functions/_bsctl")
        // A line is typed with a Tab at its end, and bsctl tells what it was called with.
        let driver = """
            zmodload zsh/zpty || exit 77
            zpty z 'zsh -f -i'
            zpty -w z 'PS1=; bsctl() { case $* in *completions*) \(Self.binaryPath) "$@" ;; *) print "G""OT<$*>" ;; esac }'
            zpty -w z 'fpath=(\(directory)/functions $fpath); autoload -U compinit; compinit -u -D'
            zpty -w z 'zle-line-init() { print -n "REA""DY" }; zle -N zle-line-init'
            while IFS= read -r line; do
                zpty -r z out '*READY*'
                zpty -w -n z "$line"$'\\t\\n'
                zpty -r z out '*GOT<*>*'
                print -r -- "${${out##*GOT<}%%>*}"
            done
            """
        Disk.write(Array(driver.utf8), to: directory + "/driver")
        Disk.makeDirectory(directory + "/directory-a")
        let version = expect(0, "completions versions photos/a").text.trimmingCharacters(in: .whitespacesAndNewlines)
        let wanted = [
            ("bsctl statu", "status"), ("bsctl device dr", "device drain"),
            ("bsctl device drain disk-6", "device drain disk-6"),
            ("bsctl get ph", "get photos/"), ("bsctl get photos/", "get photos/a"),
            ("bsctl put --if-a", "put --if-absent"),
            ("bsctl init h --profile rs:6", "init h --profile rs:6+3"), ("bsctl help undel", "help undelete"),
            ("bsctl -q device relab", "-q device relabel"),
            ("bsctl get photos/a --version \(version.prefix(2))", "get photos/a --version \(version)"),
            ("bsctl recover --device dire", "recover --device directory-a"),
            ("bsctl recover --device x dire", "recover --device x directory-a"),
        ]
        Disk.write(Array(wanted.map { $0.0 + "\n" }.joined().utf8), to: directory + "/lines")
        let outcome = Child(
            ["/usr/bin/timeout", "60", "/usr/bin/zsh", "-f", directory + "/driver"].map(Disk.bytes), in: directory,
            environment: ["PATH=/usr/bin:/bin", "HOME=\(directory)", "TERM=dumb", "BSCTL_STORE=\(store)"],
            input: directory + "/lines", scratch: directory + "/.zsh"
        ).wait()
        try XCTSkipIf(outcome.code == 77, "this zsh has no zpty")
        let found = outcome.text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }
        XCTAssertEqual(found, wanted.map { $0.1 }, outcome.complaints)
    }

    func testZshReadsItsScript() throws { try check("zsh", ["-n"]) }

    func testFishReadsItsScript() throws { try check("fish", ["-n"]) }

    func testFishCompletes() throws {
        try XCTSkipUnless(Disk.exists("/usr/bin/fish"), "fish is not installed")
        makeStore()
        put([1], as: "photos/a")
        let script = directory + "/script"
        Disk.write(expect(0, "completions fish").output, to: script)
        func propose(_ line: String) -> [String] {
            let program = "source \(script); complete -C '\(line)'"
            let bin = String(
                Self.binaryPath.prefix(upTo: Self.binaryPath.lastIndex(of: "/") ?? Self.binaryPath.startIndex))
            let outcome = Child(
                ["/usr/bin/fish", "--no-config", "-c", program].map(Disk.bytes), in: directory,
                environment: ["PATH=\(bin):/usr/bin:/bin", "HOME=\(directory)", "BSCTL_STORE=\(store)"],
                input: "/dev/null",
                scratch: directory + "/.fish"
            ).wait()
            XCTAssertEqual(outcome.complaints, "", line)
            return outcome.text.split(separator: "\n").map { String($0.prefix { $0 != "\t" }) }
        }
        XCTAssertEqual(propose("bsctl sta"), ["stat", "status"])
        XCTAssertEqual(propose("bsctl device dr"), ["drain"])
        XCTAssertEqual(propose("bsctl get ph"), ["photos/"])
        XCTAssertEqual(propose("bsctl get photos/"), ["photos/a"])
        XCTAssertEqual(propose("bsctl device drain disk-6"), ["disk-6"])
        let version = expect(0, "completions versions photos/a").text.trimmingCharacters(in: .whitespacesAndNewlines)
        XCTAssertEqual(propose("bsctl get photos/a --version "), [version])
        XCTAssertEqual(propose("bsctl cp x photos/a --if-version "), [version])
        Disk.makeDirectory(directory + "/directory-a")
        XCTAssertEqual(propose("bsctl recover --device x y dire"), ["directory-a/"])
        XCTAssertTrue(propose("bsctl put --if").contains("--if-absent"))
        XCTAssertTrue(propose("bsctl init h --profile rs:1").contains("rs:10+4"))
    }
}
