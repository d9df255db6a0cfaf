import BlockStore

/// What a change of devices would do, for `--dry-run`, in words and as fields.
enum DevicePlanText {
    static func lines(_ plan: ReplacePlan) -> [String] {
        let old = plan.oldPath ?? "unknown"
        return [
            plan.path == old
                ? "would put an empty device in the place of \(plan.label) at \(plan.path)"
                : "would put an empty device in the place of \(plan.label): \(old) → \(plan.path)",
            plan.owedShards == 0
                ? "nothing would be owed: it holds no shards"
                : Count.text(plan.owedShards, "shard")
                    + " of \(Count.text(plan.endangeredBlocks, "block")) would be owed; bsctl repair then reads about "
                    + "\(Size.text(plan.readBytes)) and writes \(Size.text(plan.writtenBytes))",
        ]
    }

    static func fields(_ plan: ReplacePlan) -> [(String, JSON)] {
        [
            ("label", .string(plan.label)), ("oldID", .string(plan.oldID.description)),
            ("oldPath", .optional(plan.oldPath)), ("path", .string(plan.path)),
            ("endangeredBlocks", .integer(plan.endangeredBlocks)), ("owedShards", .integer(plan.owedShards)),
            ("readBytes", .unsigned(plan.readBytes)), ("writtenBytes", .unsigned(plan.writtenBytes)),
        ]
    }

    static func text(_ plan: DeviceChangePlan) -> String {
        let changes = [
            change("label", plan.old.label, plan.new.label), change("domain", plan.old.domain, plan.new.domain),
            change("weight", "\(plan.old.weight)", "\(plan.new.weight)"),
        ].compactMap(\.self)
        guard !changes.isEmpty else { return "nothing would change: \(plan.old.label) is as asked for" }
        return "would change \(plan.old.label): \(changes.joined(separator: ", ")); what is stored stays where it is"
    }

    private static func change(_ name: String, _ old: String, _ new: String) -> String? {
        old == new ? nil : "\(name) \(old) → \(new)"
    }

    static func fields(_ plan: DeviceChangePlan) -> [(String, JSON)] {
        func fields(_ settings: DeviceChangePlan.Settings) -> JSON {
            .fields([
                ("label", .string(settings.label)), ("domain", .string(settings.domain)),
                ("weight", .integer(Int(settings.weight))),
            ])
        }
        return [
            ("id", .string(plan.id.description)), ("old", fields(plan.old)), ("new", fields(plan.new)),
            ("movedBytes", .integer(0)), ("warnings", .array(plan.domainWarnings.map { .string($0) })),
        ]
    }
}
