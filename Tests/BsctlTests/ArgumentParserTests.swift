import BlockStore
import Erasure
import XCTest

@testable import bsctl

final class ArgumentParserTests: XCTestCase {
    private func parse(_ line: String) throws -> Invocation {
        try ArgumentParser(CommandTable.all, everywhere: Options.everywhere).parse(CommandTest.words(line))
    }

    private func complaint(_ line: String, file: StaticString = #filePath, at number: UInt = #line) -> String {
        do {
            _ = try parse(line)
            XCTFail("bsctl \(line) was taken", file: file, line: number)
        } catch let error as UsageError {
            return error.description
        } catch {
            XCTFail("bsctl \(line): \(error)", file: file, line: number)
        }
        return ""
    }

    private func help(_ line: String) throws -> String {
        do {
            _ = try parse(line)
        } catch let request as HelpRequest {
            return request.text
        }
        throw UsageError(description: "bsctl \(line) gave no help")
    }

    func testOptionsMayStandAnywhere() throws {
        for line in [
            "--store /s ls -l --json photos", "-s /s --json ls photos -l", "ls photos --json -l --store=/s",
            "ls -ls/s --json photos", "-qs /s --json ls -l photos",
        ] {
            let invocation = try parse(line)
            XCTAssertEqual(invocation.command.name, "ls", line)
            XCTAssertEqual(invocation[Options.store], "/s", line)
            XCTAssertTrue(invocation.has(Options.json) && invocation.has(Options.long), line)
            XCTAssertEqual(invocation.operands, [Array("photos".utf8)], line)
        }
    }

    func testTheLongestCommandNameWins() throws {
        XCTAssertEqual(try parse("device replace disk-1").command.name, "device replace")
        XCTAssertEqual(try parse("simulate bit-rot --count 3").command.name, "simulate bit-rot")
        XCTAssertEqual(try parse("put device ls").operands.count, 2)
    }

    func testADoubleDashEndsOptions() throws {
        let put = try parse("put -- -r --json")
        XCTAssertEqual(put.operands, [Array("-r".utf8), Array("--json".utf8)])
        XCTAssertFalse(put.has(Options.json))
        let command = try parse("put --from-command key -- pg_dump --json -x")
        XCTAssertEqual(command.operands, [Array("key".utf8)])
        XCTAssertEqual(command.trailing, CommandTest.words("pg_dump --json -x"))
        XCTAssertFalse(command.has(Options.json))
    }

    func testASingleDashIsAnOperand() throws {
        XCTAssertEqual(try parse("get key -").operands.last, Array("-".utf8))
    }

    func testValuesAreReadWithTheirTypes() throws {
        let get = try parse("get k --range 5-9 --version 12.3")
        XCTAssertEqual(get[Options.range], 5...9)
        XCTAssertEqual(get[Options.version], RecordIdentity(commit: CommitNumber(12), ordinal: 3))
        let make = try parse("init h --device a --device=b --profile rs:8+3 --chunk-size 128KiB")
        XCTAssertEqual(make.all(Options.device).map(\.path), ["a", "b"])
        let placed = try parse("init h --device /mnt/a,b,domain=host-1,weight=20 --device c,label=l")
        let places = placed.all(Options.device)
        XCTAssertEqual(places.map(\.path), ["/mnt/a,b", "c"])
        XCTAssertEqual(places.map(\.domain), ["host-1", nil])
        XCTAssertEqual(places.map(\.weight), [20, nil])
        XCTAssertEqual(places.map(\.label), [nil, "l"])
        XCTAssertEqual(make[Options.profile]?.shardCount, 11)
        XCTAssertEqual(make[Options.chunkSize], 128 << 10)
        XCTAssertEqual(try parse("init h --disks 16 --profile lrc:12+2+2")[Options.profile]?.tolerance, 3)
        XCTAssertEqual(try parse("ls --lock-wait 0.5")[Options.lockWait], 0.5)
        XCTAssertEqual(
            try parse("simulate bit-rot --count 1 --seed 18446744073709551615")[Options.seed], UInt64.max)
    }

    func testAnOptionThatTakesSeveralHasAllWordsUpToTheNextOption() throws {
        let make = try parse("init h --device a b,label=l c --profile rs:2+1 --device d -q")
        XCTAssertEqual(make.operands, [Array("h".utf8)])
        XCTAssertEqual(make.all(Options.device).map(\.path), ["a", "b", "c", "d"])
        XCTAssertEqual(make.all(Options.device).map(\.label), [nil, "l", nil, nil])
        XCTAssertTrue(make.has(Options.quiet))
        XCTAssertEqual(try parse("recover --device a b -- h").all(Options.foundDevice), ["a", "b"])
        XCTAssertEqual(try parse("recover --device a b -- h").operands, [Array("h".utf8)])
        // Behind an equals sign stands one.
        XCTAssertEqual(try parse("recover --device=a h").operands, [Array("h".utf8)])
        XCTAssertTrue(complaint("init --device a b h").contains("usage:\n  bsctl init HOME"))
    }

    func testOperandsAndValuesMayBeAnyBytes() throws {
        let key: [UInt8] = [0xff, 0xfe, 0x2f, 0xcc]
        let invocation = try ArgumentParser(CommandTable.all, everywhere: Options.everywhere)
            .parse([Array("stat".utf8), key])
        XCTAssertEqual(invocation.operands, [key])
        XCTAssertThrowsError(
            try ArgumentParser(CommandTable.all, everywhere: Options.everywhere)
                .parse([Array("--store".utf8), [0xff], Array("status".utf8)]))
    }

    func testWrongWordsAreRefusedWithASuggestion() {
        XCTAssertTrue(complaint("statsu").contains("did you mean bsctl status?"))
        XCTAssertTrue(complaint("device relpace x").contains("did you mean bsctl device replace?"))
        XCTAssertTrue(complaint("put --lenght 3 x").contains("did you mean --length?"))
        XCTAssertTrue(complaint("init h --disks 6 --profile rs:4-2").contains("did you mean rs:4+2?"))
        XCTAssertTrue(complaint("init h --disks 10 --profile lrc:6-2-2").contains("did you mean lrc:6+2+2?"))
        XCTAssertTrue(complaint("init h --disks 10 --profile lrc:7+2+2").contains("do not make 2 local groups"))
        XCTAssertTrue(complaint("init h --disks 6 --chunk-size 64KiX").contains("did you mean 64KiB?"))
        XCTAssertTrue(complaint("put -x").contains("unknown option -x"))
        XCTAssertFalse(complaint("xyzzy").contains("did you mean"))
    }

    func testWrongValuesAreRefused() {
        for line in [
            "init h --disks zero", "init h --disks 0", "init h --disks -1", "init h --disks 1025",
            "init h --disks 6 --profile rs:4", "init h --disks 6 --profile rs:60+5", "init h --disks 6 --profile xor",
            "init h --disks 6 --chunk-size 1GiB", "init h --disks 6 --chunk-size 99999999999999999999",
            "get k --range 9-5", "get k --range 5", "get k --range 5-", "get k --range a-b",
            "get k --range 1-18446744073709551616", "get k --version 5", "get k --version 5.99999999999",
            "put - k --length -1", "put - k --length 1.5", "ls --lock-wait nan", "ls --lock-wait -1",
            "put f --min-shards 0", "simulate bit-rot --count 0", "simulate bit-rot --seed -1 --count 1",
            "bench encode --threads 0", "bench encode --size 1",
        ] {
            XCTAssertTrue(complaint(line).contains("--"), line)
        }
    }

    func testSwitchesTakeNoValueAndValuesAreNotGivenTwice() {
        XCTAssertTrue(complaint("ls --json=yes").contains("takes no value"))
        XCTAssertTrue(complaint("get k --range 0-1 --range 2-3").contains("given twice"))
        XCTAssertTrue(complaint("init h --disks").contains("needs a value"))
    }

    func testTheNumberOfOperandsIsChecked() {
        for line in ["put", "get", "get a b c", "stat", "stat a b", "status x", "rm", "device replace", "init"] {
            XCTAssertTrue(complaint(line).contains("usage:"), line)
        }
    }

    func testEveryCommandHasHelpThatNamesItsOptions() throws {
        let overview = try help("help")
        XCTAssertEqual(overview, try help("--help"))
        for command in CommandTable.all {
            XCTAssertTrue(overview.contains(command.name), command.name)
            let page = try help("\(command.name) --help")
            XCTAssertEqual(page, try help("help \(command.name)"))
            XCTAssertEqual(page, try help("\(command.name) -h"))
            for option in command.options + Options.everywhere {
                XCTAssertTrue(page.contains("--\(option.name)"), "\(command.name): \(option.name)")
            }
            for example in command.examples + command.synopsis {
                XCTAssertTrue(example.hasPrefix("bsctl \(command.name)"), example)
            }
        }
        XCTAssertEqual(try help("--version"), "bsctl 0.1.0")
        XCTAssertTrue(try help("help device").contains("bsctl device ls"))
        XCTAssertTrue(complaint("help nothing").contains("unknown command"))
    }

    func testHelpFitsATerminalOf80Columns() throws {
        for page in try CommandTable.all.map({ try help("help \($0.name)") }) + [help("help")] {
            // Examples are to be copied, each in one line.
            let lines = page.components(separatedBy: "\nexamples:")[0].split(separator: "\n")
            for line in lines { XCTAssertLessThanOrEqual(line.count, 80, String(line)) }
        }
    }

    func testWhoSaysNothingIsToldHowToBegin() throws {
        XCTAssertTrue(complaint("").contains("no command"))
        // Word by word a command that is understood.
        let lines = Help.beginning.split(separator: "\n").filter { $0.hasPrefix("  bsctl ") }
        XCTAssertEqual(lines.count, 3)
        for line in lines {
            _ = try parse(line.trimmingCharacters(in: .whitespaces).dropFirst("bsctl ".count).description)
        }
    }

    func testEveryCommandStandsUnderOneHeading() {
        XCTAssertEqual(CommandTable.all.count, Set(CommandTable.all.map(\.name)).count)
        XCTAssertEqual(CommandTable.groups.map(\.commands.count).reduce(0, +), CommandTable.all.count)
    }

    func testEveryExampleInTheHelpParses() throws {
        for command in CommandTable.all {
            for example in command.examples {
                let line = String(example.dropFirst("bsctl ".count).prefix { !"|>".contains($0) })
                XCTAssertEqual(try parse(line).command.name, command.name, example)
            }
        }
    }

    func testOptionNamesAreUniqueWithinACommand() {
        for command in CommandTable.all {
            let options = command.options + Options.everywhere
            XCTAssertEqual(Set(options.map(\.name)).count, options.count, command.name)
            let letters = options.compactMap(\.short)
            XCTAssertEqual(Set(letters).count, letters.count, command.name)
        }
    }
}
