import BlockStore
import Erasure

/// What a repair did, or would do, in words and as fields.
enum RepairText {
    static func lines(_ report: RepairReport) -> [String] {
        var lines = report.replacedDevices.map { "\($0) was put back, empty" }
        lines.append(
            "\(Count.text(report.checkedBlocks, "block")) checked, \(Count.text(report.repairedShards, "shard")) made again "
                + "and read back, \(Size.text(report.writtenBytes)) in \(Size.decimals(report.seconds, 1)) s")
        if report.unsafeBlocks > 0 {
            let when =
                report.secondsToSafe.map { "all safe again after \(Size.decimals($0, 1)) s" } ?? "not all are safe yet"
            lines.append(
                "\(Count.text(report.unsafeBlocks, "block")) could have been lost with the next shard: \(when)")
        }
        if report.confirmedShards > 0 {
            lines.append(
                report.confirmedShards == 1
                    ? "1 shard that was in doubt is as it should be"
                    : "\(report.confirmedShards) shards that were in doubt are as they should be")
        }
        if report.unconfirmedShards > 0 {
            lines.append(
                report.unconfirmedShards == 1
                    ? "1 shard was written and does not read back: its device left service"
                    : "\(report.unconfirmedShards) shards were written and do not read back: their devices left service"
            )
        }
        if report.owedShards > 0 {
            lines.append(
                "\(Count.text(report.owedShards, "shard", one: "is", many: "are")) still owed: "
                    + (report.errorCount > 0 ? "see the errors" : "too few devices; see bsctl status"))
        }
        if !report.lostBlocks.isEmpty {
            let them = report.lostBlocks.count == 1 ? "it" : "them"
            lines.append(
                "\(Count.text(report.lostBlocks.count, "block")) cannot be read from the devices there are: "
                    + (report.lostKeys.isEmpty
                        ? "no object needs \(them), and bsctl collect lets go of \(them)"
                        : "the keys that need \(them) are named, everything else reads"))
        }
        return lines
    }

    static func fields(_ report: RepairReport) -> [(String, JSON)] {
        [
            ("checkedBlocks", .integer(report.checkedBlocks)), ("endangeredBlocks", .integer(report.endangeredBlocks)),
            ("unsafeBlocks", .integer(report.unsafeBlocks)), ("repairedShards", .integer(report.repairedShards)),
            ("confirmedShards", .integer(report.confirmedShards)),
            ("unconfirmedShards", .integer(report.unconfirmedShards)), ("readBytes", .unsigned(report.readBytes)),
            ("writtenBytes", .unsigned(report.writtenBytes)), ("owedShards", .integer(report.owedShards)),
            ("lostBlocks", .array(report.lostBlocks.map { .string($0.description) })),
            ("lostKeys", JSON.keys(report.lostKeys)),
            ("replacedDevices", .array(report.replacedDevices.map { .string($0) })),
            ("errors", .array(report.errors.map { .string($0) })), ("errorCount", .integer(report.errorCount)),
            ("secondsToSafe", report.secondsToSafe.map { .number($0) } ?? .null), ("seconds", .number(report.seconds)),
            ("bytesPerSecond", .number(Double(report.readBytes + report.writtenBytes) / max(report.seconds, 1e-6))),
        ]
    }

    static func lines(_ preview: RepairPreview) -> [String] {
        var lines = preview.replacedDevices.map { "\($0) would be put back, empty" }
        guard preview.missingShards > 0 else {
            return lines + ["\(Count.text(preview.checkedBlocks, "block")) checked: nothing is missing"]
        }
        lines.append(
            "\(preview.endangeredBlocks) of \(Count.text(preview.checkedBlocks, "block")) "
                + "\(preview.endangeredBlocks == 1 ? "lacks" : "lack") \(Count.text(preview.missingShards, "shard")); a repair reads about \(Size.text(preview.readBytes)) and writes \(Size.text(preview.writtenBytes))"
        )
        if preview.unsafeBlocks > 0 {
            lines.append(
                Count.text(preview.unsafeBlocks, "block", one: "comes", many: "come")
                    + " first, which the next loss may take: "
                    + "\(Size.text(preview.bytesToSafe)) until all survive one")
        }
        if preview.owedShards > 0 {
            let text = Count.text(preview.owedShards, "shard", one: "has", many: "have")
            lines.append("\(text) no place to go: too few devices")
        }
        let rows = preview.blocks.prefix(20).map { block in
            [
                "  \(block.name)",
                block.lossesSurvived < 0 ? "cannot be read in full" : "survives \(block.lossesSurvived) more",
                block.missing.map { "\($0.row.name) → \($0.place ?? "nowhere")" }.joined(separator: ", "),
            ]
        }
        lines += Table.lines(Array(rows))
        if preview.endangeredBlocks > rows.count { lines.append("  and \(preview.endangeredBlocks - rows.count) more") }
        if !preview.lostBlocks.isEmpty {
            lines.append(
                "\(Count.text(preview.lostBlocks.count, "block")) cannot be read from the shards that are known")
        }
        return lines
    }

    static func fields(_ preview: RepairPreview) -> [(String, JSON)] {
        [
            ("checkedBlocks", .integer(preview.checkedBlocks)),
            ("endangeredBlocks", .integer(preview.endangeredBlocks)),
            ("unsafeBlocks", .integer(preview.unsafeBlocks)), ("missingShards", .integer(preview.missingShards)),
            ("owedShards", .integer(preview.owedShards)), ("readBytes", .unsigned(preview.readBytes)),
            ("writtenBytes", .unsigned(preview.writtenBytes)), ("bytesToSafe", .unsigned(preview.bytesToSafe)),
            ("blocks", .array(preview.blocks.map { .fields(fields($0)) })),
            ("lostBlocks", .array(preview.lostBlocks.map { .string($0.description) })),
            ("lostKeys", JSON.keys(preview.lostKeys)),
            ("replacedDevices", .array(preview.replacedDevices.map { .string($0) })),
        ]
    }

    private static func fields(_ block: RepairPreview.Block) -> [(String, JSON)] {
        let missing = block.missing.map { row, place in
            JSON.fields([("row", .string(row.name)), ("place", .optional(place))])
        }
        return [
            ("block", .string(block.name.description)), ("lossesSurvived", .integer(block.lossesSurvived)),
            ("missing", .array(missing)), ("readBytes", .unsigned(block.readBytes)),
            ("writtenBytes", .unsigned(block.writtenBytes)),
        ]
    }
}
