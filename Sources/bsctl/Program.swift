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
        // Looked for by itself: wrong usage is to be told as JSON too.
        let isJSON = arguments.prefix { $0 != Array("--".utf8) }.contains(Array("--json".utf8))
        let code = execute(arguments, isJSON: isJSON)
        do {
            try Terminal.flush()
        } catch {
            // A reader that has seen enough, such as head, is told nothing.
            if error.cause?.number != EPIPE { Terminal.error(error.description) }
            return code == .done ? ExitCode.failed.rawValue : code.rawValue
        }
        return code.rawValue
    }

    private static func execute(_ arguments: [[UInt8]], isJSON: Bool) -> ExitCode {
        do {
            let invocation = try ArgumentParser(CommandTable.all, everywhere: Options.everywhere).parse(arguments)
            return try invocation.command.run(invocation)
        } catch let request as HelpRequest {
            Terminal.print(request.text)
            return .done
        } catch let error as UsageError {
            return fail(error.description, "usage", .usage, isJSON)
        } catch let error as Refusal {
            return fail(error.description, "refused", .failed, isJSON)
        } catch let error as StoreError {
            return fail(error.description, error.code.rawValue, ExitCode(error), isJSON)
        } catch {
            return fail("\(error)", "failed", .failed, isJSON)
        }
    }

    private static func fail(_ text: String, _ name: String, _ code: ExitCode, _ isJSON: Bool) -> ExitCode {
        Terminal.error(text)
        if isJSON { Terminal.print(JSON.object([("error", .string(text)), ("code", .string(name))])) }
        return code
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
    /// `--if-absent` or `--if-version` was not met: nothing was changed.
    case conditionFailed = 7

    init(_ error: StoreError) {
        self =
            switch error.code {
            case .notFound: .notFound
            case .invalid: .usage
            case .lost: .lost
            case .locked: .busy
            case .indexBehind: .degraded
            case .conditionFailed: .conditionFailed
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

/// A command that makes sense and is not carried out, to protect data.
struct Refusal: Error, CustomStringConvertible {
    let description: String
}

/// Not an error: help was asked for.
struct HelpRequest: Error {
    let text: String
}
