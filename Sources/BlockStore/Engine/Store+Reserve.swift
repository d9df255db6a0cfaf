/// Room that only what frees room may use: a full disk must not keep anybody from deleting.
///
/// Each device and the home keep a little in a file. Deleting, pruning and collecting let go of it where room is short;
/// whoever closes the store after writing keeps it again as soon as there is room.
extension Store {
    /// The most that is kept on a disk, and in the home.
    private static let deviceReserveBytes = 64 << 20
    private static let homeReserveBytes = 32 << 20
    /// No more of a small disk than this part.
    private static let reservePart: UInt64 = 64

    /// Keeps room where none is kept yet and there is plenty. A sandbox shares one disk with everything else: nothing there.
    func keepReserves() {
        guard access == .write, !configuration.isSandbox, recovery != nil else { return }
        for id in engine.devices.inService {
            guard let device = engine.devices.device(id), (try? device.reserveBytes()) == 0,
                let byteCount = Self.reserve(Self.deviceReserveBytes, of: try? device.space())
            else { continue }
            // It is no promise: a disk without one is no worse than it was.
            try? device.setReserve(byteCount)
        }
        if (try? environment.home.reserveBytes()) == 0,
            let byteCount = Self.reserve(Self.homeReserveBytes, of: try? environment.home.space())
        {
            try? environment.home.setReserve(byteCount)
        }
    }

    /// How much to keep; nil where there is no room for several times as much.
    private static func reserve(_ most: Int, of space: DeviceSpace?) -> Int? {
        guard let space else { return nil }
        let byteCount = min(most, Int(clamping: space.totalBytes / reservePart))
        return byteCount >= 4096 && space.freeBytes > UInt64(byteCount) * 4 ? byteCount : nil
    }

    /// Lets go of what is kept where room is short.
    ///
    /// - Note: the index wants some room merely to be opened: who is to free room says so before (`Options.freesRoom`).
    func openReserves() {
        for id in engine.devices.inService {
            guard let device = engine.devices.device(id), let kept = try? device.reserveBytes(), kept > 0,
                let space = try? device.space(), space.freeBytes < UInt64(kept)
            else { continue }
            try? device.setReserve(0)
        }
        environment.home.openReserve()
    }
}

extension Home {
    /// Lets go of what is kept where room is short.
    func openReserve() {
        guard let kept = try? reserveBytes(), kept > 0, let space = try? space(), space.freeBytes < UInt64(kept) else {
            return
        }
        try? setReserve(0)
    }
}
