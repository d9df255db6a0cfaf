import Foundation
import XCTest

@testable import bsctl

/// docs/schema/bsctl.json and docs/json.md against what the commands print.
final class JSONTests: CommandTest {
    private func schema() throws -> JSONSchema { try JSONSchema(Documents.text("docs/schema/bsctl.json")) }

    func testWhatCommandsPrintIsAsTheSchemaSays() throws {
        let schema = try schema()
        Disk.makeDirectory(directory + "/tree")
        Disk.write(Self.bytes(200_000, seed: 1), to: directory + "/tree/x")
        Disk.write([1, 2, 3], to: directory + "/file")
        var seen: Set<String> = ["code", "key", "version", "device", "commit", "figure"]
        for (name, line) in [
            ("initPlan", "init store --disks 6 --dry-run"), ("init", "init store --disks 6"), ("write", "put file k"),
            ("write", "put -r tree"),
            ("write", "put -r tree --dry-run"), ("write", "put file k2 --dry-run"), ("list", "ls"),
            ("list", "ls -l --versions"), ("stat", "stat k"), ("versions", "versions k"), ("get", "get k out"),
            ("get", "get -r tree out2"), ("status", "status"), ("devices", "device ls"),
            ("init", "init other --disks 2 --profile rs:1+1"),
            ("sync", "sync store other --dry-run"), ("sync", "sync store other"), ("odds", "odds"),
            ("odds", "odds --devices 9 --domains 3 --data 1GiB"),
            ("fleet", "odds --simulate 20 --devices 7 --data 1GiB --profile rs:4+2 --profile lrc:4+2+1"),
            ("report", "report page.html"),
            ("wouldCopy", "cp k k3 --dry-run"), ("write", "cp k k3"), ("wouldMove", "mv k3 k4 --dry-run"),
            ("write", "mv k3 k4"), ("wouldRemove", "rm k4 --dry-run"), ("write", "rm k4"), ("list", "ls --versions"),
            ("versions", "versions k4"), ("wouldRestore", "undelete k4 --dry-run"), ("write", "undelete k4"),
            ("wouldPurge", "rm k4 --version 5.0 --dry-run"), ("prune", "prune --keep-last 1 --dry-run"),
            ("prune", "prune --keep-last 1"), ("collectPlan", "collect --full --dry-run"),
            ("collect", "collect --full"),
            ("repairPlan", "repair --dry-run"), ("repair", "repair"), ("scrubPlan", "scrub --dry-run"),
            ("scrub", "scrub"), ("scrubPlan", "scrub --dry-run"), ("rebuildPlan", "index rebuild --dry-run"),
            ("rebuild", "index rebuild"), ("abandon", "recover --abandon"), ("abandon", "recover --abandon --dry-run"),
            ("simulate", "simulate bit-rot --count 2 --seed 3 --dry-run"),
            ("simulate", "simulate bit-rot --count 2 --seed 3"), ("scrub", "scrub"), ("status", "status"),
            ("scrub", "scrub --repair"), ("simulate", "simulate disk-loss disk-1 --dry-run"),
            ("simulate", "simulate disk-loss disk-1"), ("status", "status"), ("devices", "device ls"),
            ("write", "put file degraded"), ("repairPlan", "repair --dry-run"),
            ("replacePlan", "device replace disk-1 --dry-run"), ("replace", "device replace disk-1"),
            ("repair", "repair"), ("deviceChangePlan", "device relabel disk-1 one --dry-run"),
            ("deviceChange", "device relabel disk-1 one"), ("deviceChange", "device set one --domain h"),
            ("movePlan", "device add seven --dry-run"), ("add", "device add seven"),
            ("movePlan", "device drain disk-2 --dry-run"), ("drain", "device drain disk-2"),
            ("cancelPlan", "device drain disk-2 --cancel --dry-run"), ("deviceChange", "device drain disk-2 --cancel"),
            ("drain", "device drain disk-2"), ("removePlan", "device remove disk-2 --dry-run"),
            ("deviceChange", "device remove disk-2"), ("reshapePlan", "reshape --profile rs:3+2 --dry-run"),
            ("reshape", "reshape --profile rs:3+2"), ("recover", "recover store --device store/disk-3 --dry-run"),
            ("recover", "recover store --device store/disk-3"), ("benchmark", "bench encode --size 1MiB"),
            ("benchmark", "bench rebuild --size 1MiB"), ("benchmark", "bench chunk --size 1MiB"),
            ("benchmark", "bench digest --size 1MiB"), ("benchmark", "bench compress --size 1MiB"),
            ("storeBenchmark", "bench store --size 1MiB --rounds 1"), ("drill", "drill --losses 1"),
            ("rehearsal", "simulate node-loss --count 2 --seed 1"),
            ("manual", "manual man"), ("error", "nonsense"),
            ("error", "get zz"), ("error", "put absent"),
            ("simulate", "simulate disk-loss --count 4 --force --seed 2"), ("status", "status"), ("repair", "repair"),
        ] {
            let outcome = run(line + " --json")
            let problems = schema.problems(of: try object(outcome), as: name)
            XCTAssertEqual(problems, [], "bsctl \(line): \(outcome.text)\(outcome.complaints)")
            seen.insert(name)
        }
        // `bench put` takes minutes.
        seen.formUnion(["change", "failedFile", "failedKey", "reading", "putBenchmark"])
        XCTAssertEqual(seen, schema.names, "every definition is met")
    }

    func testWhatFailsInPartIsAsTheSchemaSays() throws {
        let schema = try schema()
        makeStore()
        Disk.makeDirectory(directory + "/tree")
        Disk.write([1], to: Disk.bytes(directory + "/tree/") + [0xff])
        var path = directory + "/tree"
        for _ in 0..<5 {
            path += "/" + String(repeating: "k", count: 250)
            Disk.makeDirectory(path)
        }
        for line in ["put -r tree", "put -r tree --dry-run"] {
            let report = try object(expect(1, line + " --json"))
            XCTAssertEqual(schema.problems(of: report, as: "write"), [])
            XCTAssertEqual(report["code"] as? String, "partial")
        }
        Disk.makeDirectory(directory + "/out")
        expect(0, "get -r tree out")
        let report = try object(expect(1, "get -r tree out --json"))
        XCTAssertEqual(schema.problems(of: report, as: "get"), [])
        XCTAssertEqual(report["code"] as? String, "partial")
        XCTAssertEqual(
            schema.problems(of: try object(expect(0, "ls --json")), as: "list"), [], "a key that is not UTF-8")
    }

    func testEachLineOfChangesIsAsTheSchemaSays() throws {
        let schema = try schema()
        makeStore()
        put([1], as: "a")
        expect(0, "rm a")
        expect(0, "rm a --version 2.0")
        let lines = expect(0, "changes").text.split(separator: "\n")
        XCTAssertEqual(lines.count, 3)
        for line in lines {
            let value = try JSONSerialization.jsonObject(with: Data(line.utf8))
            XCTAssertEqual(schema.problems(of: value, as: "change"), [], String(line))
        }
    }

    func testTheValidatorRefuses() throws {
        let schema = try schema()
        func problems(_ text: String, _ name: String) throws -> Int {
            schema.problems(of: try JSONSerialization.jsonObject(with: Data(text.utf8)), as: name).count
        }
        let good = #"{"error":"e","code":"lost","risk":null,"next":"n"}"#
        XCTAssertEqual(try problems(good, "error"), 0)
        XCTAssertEqual(try problems(good.replacing("lost", with: "found"), "error"), 1)
        XCTAssertEqual(try problems(good.replacing("null", with: "3"), "error"), 1)
        XCTAssertEqual(try problems(good.replacing("null", with: "true"), "error"), 1)
        XCTAssertEqual(try problems(good.replacing("\"risk\":null,", with: ""), "error"), 1)
        XCTAssertEqual(try problems(good.replacing("\"risk\"", with: "\"rusk\""), "error"), 2)
        XCTAssertEqual(try problems(#"{"id":"i","done":"d","configurationNumber":1.5}"#, "deviceChange"), 1)
        XCTAssertEqual(try problems(#"{"id":"i","done":"d","configurationNumber":true}"#, "deviceChange"), 1)
        XCTAssertEqual(try problems(#"{"objects":[{}]}"#, "list"), 7)
        XCTAssertEqual(try problems("{}", "nothing"), 1)
    }

    func testTheDocumentSaysForEveryCommandWhatItPrints() throws {
        let names = try schema().names
        var commands: Set<String> = []
        var used: Set<String> = []
        for line in try Documents.text("docs/json.md").split(separator: "\n") where line.hasPrefix("| `") {
            let cells = line.split(separator: "|").map {
                $0.split(separator: "`").enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
            }
            commands.formUnion(cells[0].map { $0.hasSuffix(" --dry-run") ? $0.dropLast(10) : $0 }.map(String.init))
            used.formUnion(cells[1].map(String.init).filter { !$0.hasPrefix("--") })
        }
        XCTAssertEqual(commands, Set(CommandTable.all.map(\.name)))
        XCTAssertEqual(used.subtracting(names), [], "every name is defined")
        let parts: Set<String> = [
            "code", "key", "version", "device", "commit", "failedFile", "failedKey", "error", "reading", "figure",
        ]
        XCTAssertEqual(names.subtracting(used), parts, "every definition is printed by some command")
    }

    func testTheCodesOfTheSchemaAreThoseOfTheProgram() throws {
        let document = try JSONSerialization.jsonObject(with: Data(Documents.text("docs/schema/bsctl.json").utf8))
        let definitions = (document as? [String: Any])?["$defs"] as? [String: Any]
        let code = definitions?["code"] as? [String: Any]
        XCTAssertEqual(code?["enum"] as? [String], ErrorKind.all.map(\.code).sorted())
    }
}
