extension Store {
    /// What `addDevice` and `fillDevice` would move; the device may be there already.
    public func planAdding(_ new: NewDevice) throws(StoreError) -> MovePlan {
        if let place = try? environment.devices.open(new.path),
            let member = engine.devices.all.first(where: { $0.device?.physicalIdentity == place.physicalIdentity })
        {
            return try plan(.fill(member.candidate), measuring: true, label: engine.devices.label)
        }
        let label = new.label ?? freeLabel
        let device = try lookAtNewcomer("add a device", at: new.path)
        let newcomer = Placement.Candidate(
            id: environment.random.identifier(), domain: new.domain ?? label, weight: try weight(of: new, device))
        var estimate = try plan(.fill(newcomer), measuring: true) {
            $0 == newcomer.id ? label : engine.devices.label($0)
        }
        estimate.isEstimated = true
        return estimate
    }

    /// Moves onto a device what it attracts, and nothing else anywhere. Can be run again after an interruption.
    public func fillDevice(_ id: DeviceID, progress: ProgressHandler? = nil) throws(StoreError) -> MoveReport {
        let member = try member(id, "fill a device")
        guard member.state.isInService, member.configured.state == .inService else {
            throw StoreError(
                .tooFewDevices, "fill \(member.configured.label)",
                detail: member.state.isInService ? "it is being drained" : member.state.description)
        }
        try removeLeftovers(of: id)
        let goal = MoveGoal.fill(member.candidate)
        let planned = try plan(goal, label: engine.devices.label)
        if planned.shards == 0 { return MoveReport() }
        return try carryOut(goal, planned, "filling \(member.configured.label)", progress: progress)
    }

    /// A fill that was cut off may have left shards where they were, though they have their place on the device now.
    private func removeLeftovers(of id: DeviceID) throws(StoreError) {
        try startTenure().ensureEpoch()
        var last: BlockName?
        while true {
            let engine = self.engine
            let page = try engine.index.blocks(after: last, limit: 256)
            guard let end = page.last else { return }
            last = end.name
            for block in page {
                guard let row = block.shards.first(where: { $0.value == id && !block.damaged.contains($0.key) })?.key
                else {
                    continue
                }
                let mover = ShardMover(engine)
                try mover.removeCopies(of: ShardName(block.name, row), besides: id)
            }
            if try takeTurns() { try startTenure().ensureEpoch() }
        }
    }
}
