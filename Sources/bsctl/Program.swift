import BlockStore
import Glibc

/// From the bytes of the command line to an exit code.
enum Program {
    static let version = "0.1.0"

    /// The arguments as the system gave them: `CommandLine.arguments` repairs what is not UTF-8.
    static func argumentBytes() -> [[UInt8]] {
        (1..<max(1, Int(CommandLine.argc))).compactMap { index in
            CommandLine.unsafeArgv[index].map { pointer in
                Array(UnsafeRawBufferPointer(start: pointer, count: strlen(pointer)))
            }
        }
    }

    static func run(_ arguments: [[UInt8]]) -> Int32 {
        var isJSON = false
        do {
            let invocation = try ArgumentParser(CommandTable.all).parse(arguments)
            isJSON = invocation.has("json")
            return try invocation.command.run(invocation).rawValue
        } catch let error as UsageError {
            Terminal.error(error.description)
            return ExitCode.usage.rawValue
        } catch let error as HelpRequest {
            Terminal.print(error.text)
            return ExitCode.done.rawValue
        } catch let error as StoreError {
            Terminal.error(error.description)
            let code = ExitCode(error)
            if isJSON {
                Terminal.print(
                    JSON.object([("error", .string(error.description)), ("code", .string(error.code.rawValue))]))
            }
            return code.rawValue
        } catch {
            Terminal.error("\(error)")
            return ExitCode.failed.rawValue
        }
    }
}

/// What a command's end means to scripts.
enum ExitCode: Int32 {
    case done = 0
    case failed = 1
    case usage = 2
    case notFound = 3
    case lost = 4
    case busy = 5
    /// Done, but damage was found or redundancy is owed.
    case degraded = 6

    init(_ error: StoreError) {
        self =
            switch error.code {
            case .notFound: .notFound
            case .invalid: .usage
            case .lost: .lost
            case .locked: .busy
            case .indexBehind: .degraded
            case .corrupt, .indexDamaged, .io, .noSpace, .exists, .tooFewDevices, .inDoubt, .unknownOutcome,
                .unsupported, .input:
                .failed
            }
    }
}

/// Words that make no command.
struct UsageError: Error, CustomStringConvertible {
    let description: String
}

/// Not an error: help was asked for.
struct HelpRequest: Error {
    let text: String
}
