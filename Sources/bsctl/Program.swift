import BlockStore
import Glibc

/// From the bytes of the command line to an exit code.
enum Program {
    static let version = "0.1.0"
    /// Of the manual.
    static let date = "2026-11-26"

    /// The arguments as the system gave them: `CommandLine.arguments` repairs what is not UTF-8.
    static func argumentBytes() -> [[UInt8]] {
        (1..<max(1, Int(CommandLine.argc))).compactMap { index in
            CommandLine.unsafeArgv[index].map { pointer in
                Array(UnsafeRawBufferPointer(start: pointer, count: strlen(pointer)))
            }
        }
    }

    static func run(_ arguments: [[UInt8]]) -> Int32 {
        Index.prepareProcess()
        // Looked for by itself: wrong usage is to be told as JSON too.
        let isJSON = arguments.prefix { $0 != Array("--".utf8) }.contains(Array("--json".utf8))
        var code = ExitCode.failed
        var isInterrupted = false
        do {
            code = try execute(arguments)
        } catch let request as HelpRequest {
            Terminal.print(request.text)
            code = .done
        } catch {
            let complaint = Complaint(error)
            Terminal.error(complaint)
            let ending = error as? Ending
            if isJSON, ending?.isReported != true { Terminal.print(JSON.object(complaint.fields)) }
            code = complaint.kind.exit
            isInterrupted = ending != nil
        }
        do {
            try Terminal.flush()
        } catch {
            // A reader that has seen enough, such as head, is told nothing.
            if error.cause?.number != EPIPE { Terminal.error(Complaint(.output, error.summary)) }
            if code == .done { code = .failed }
        }
        if isInterrupted, let signal = Interruption.signal { Interruption.end(by: signal) }
        return code.rawValue
    }

    private static func execute(_ arguments: [[UInt8]]) throws -> ExitCode {
        let invocation = try ArgumentParser(CommandTable.all, everywhere: Options.everywhere).parse(arguments)
        let command = invocation.command
        Interruption.set(command.ending)
        do {
            return try command.run(invocation)
        } catch let error as UsageError {
            throw UsageError(description: error.description, next: error.next ?? "bsctl \(command.name) --help")
        } catch let error as StoreError where Interruption.signal != nil && [.interrupted, .input].contains(error.code)
        {
            // A producer that the same signal ended has failed too.
            throw command.ending ?? .nothingChanged
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
    /// `--if-absent` or `--if-version` was not met: nothing was changed.
    case conditionFailed = 7

    static let meanings: [(code: ExitCode, meaning: String)] = [
        (.done, "done"), (.failed, "failed"), (.usage, "wrong usage"),
        (.notFound, "no such key, version, device or store"), (.lost, "data lost, and named"), (.busy, "store busy"),
        (.degraded, "done, but damage was found or redundancy is owed"),
        (.conditionFailed, "refused by --if-absent or --if-version, nothing changed"),
    ]
}

/// Words that make no command.
struct UsageError: Error, CustomStringConvertible {
    let description: String
    var next: String?
}

/// A command that makes sense and is not carried out, to protect data.
struct Refusal: Error, CustomStringConvertible {
    let description: String
    var next: String?
}

/// Not an error: help was asked for.
struct HelpRequest: Error {
    let text: String
}
