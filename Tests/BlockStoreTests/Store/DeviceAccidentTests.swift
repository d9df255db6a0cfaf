import XCTest

@testable import BlockStore
@testable import Simulation

/// Devices that join and leave a simulated store.
final class DeviceAccidentTests: XCTestCase {
    func testADeviceIsNotCalledSafeWhileAnotherIsAway() throws {
        try DeviceAccidents.aDeviceIsNotCalledSafeWhileAnotherIsAway()
    }

    func testADrainingDeviceGetsNothingNew() throws { try DeviceAccidents.aDrainingDeviceGetsNothingNew() }

    func testARemovedDeviceStaysAway() throws { try DeviceAccidents.aRemovedDeviceStaysAway() }

    func testAFailingTargetCostsNothing() throws { try DeviceAccidents.aFailingTargetCostsNothing() }

    func testADamagedShardIsMadeAgainOnTheWay() throws { try DeviceAccidents.aDamagedShardIsMadeAgainOnTheWay() }

    func testADeviceThatTakesNothingAnyMoreIsDrained() throws {
        try DeviceAccidents.aDeviceThatTakesNothingAnyMoreIsDrained()
    }

    func testAFillThatWasCutOffLeavesNothingBehind() throws {
        try DeviceAccidents.aFillThatWasCutOffLeavesNothingBehind()
    }

    func testAFailedMoveLosesNoShard() throws { try DeviceAccidents.aFailedMoveLosesNoShard() }

    func testAnIndexOlderThanAMoveIsNoReasonToKeepADevice() throws {
        try DeviceAccidents.anIndexOlderThanAMoveIsNoReasonToKeepADevice()
    }
}
