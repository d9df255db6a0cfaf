import BlockStore
import Glibc

/// manual.
enum ManualCommands {
    static func manual(_ invocation: Invocation) throws -> ExitCode {
        let directory = try invocation.path(0)
        if mkdir(directory, 0o777) != 0, errno != EEXIST {
            throw StoreError(.io, "make the directory", at: directory, detail: "", cause: SystemError(errno))
        }
        let pages = Manual.pages(Options.everywhere)
        for page in pages { try write(page.text, to: "\(directory)/\(page.name)") }
        if invocation.has(Options.json) {
            Terminal.print(JSON.object([("pages", .array(pages.map { .string($0.name) }))]))
        } else if !invocation.has(Options.quiet) {
            Terminal.print("\(Count.text(pages.count, "page")) written; next: man -l \(directory)/bsctl.1")
        }
        return .done
    }

    private static func write(_ text: String, to path: String) throws(StoreError) {
        func failed(_ number: Int32) -> StoreError {
            StoreError(.io, "write the manual page", at: path, detail: "", cause: SystemError(number))
        }
        guard let file = fopen(path, "we") else { throw failed(errno) }
        let bytes = Array(text.utf8)
        let isWritten = fwrite(bytes, 1, bytes.count, file) == bytes.count
        let number = errno
        guard fclose(file) == 0, isWritten else { throw failed(isWritten ? errno : number) }
    }
}
