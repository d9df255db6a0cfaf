extension Engine {
    /// Writes a shard durably under its final name, in the place of whatever invalid one stands there, and reads it back in
    /// a separate pass, from the medium: success is what was read.
    ///
    /// - Returns: nil when it is there; else what went wrong, and the device is out of service (design law 5).
    func write(_ file: ShardFile, as name: ShardName, on id: DeviceID, isReadBack: Bool = true) -> StoreError? {
        guard let device = devices.device(id) else {
            return StoreError(.io, "write shard \(name)", at: devices.name(id), detail: "it is out of service")
        }
        do throws(StoreError) {
            let staged = try file.withPieces { pieces throws(StoreError) in try device.stage(pieces, as: name) }
            do throws(StoreError) {
                try device.sync([staged])
                try device.name([staged], replacing: true)
            } catch {
                device.discard([staged])
                throw error
            }
            if isReadBack { try requireSound(name, on: device) }
            return nil
        } catch {
            devices.fail(id, error)
            return error
        }
    }

    /// Throws unless the shard reads from the medium as it should.
    func requireSound(_ name: ShardName, on device: any Device) throws(StoreError) {
        if let problem = try ShardReader.problem(with: name, on: device, storeID: storeID, from: .medium) {
            throw StoreError(.corrupt, "read back shard \(name)", at: device.place, detail: problem)
        }
    }
}
