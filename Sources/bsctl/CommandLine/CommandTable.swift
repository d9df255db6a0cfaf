/// Every command, as data.
enum CommandTable {
    static let all = groups.flatMap(\.commands)

    /// Under headings, as the help lists them.
    static let groups: [(title: String, commands: [Command])] = [
        ("a store and what is in it", objects), ("versions", versions), ("is the data safe", safety),
        ("devices", devices),
        ("upkeep", upkeep), ("losses on trial, in a sandbox", trials), ("how fast it is", benchmarks),
        ("for the shell", shell),
    ]
}
