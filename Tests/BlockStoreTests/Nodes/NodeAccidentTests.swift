import XCTest

@testable import Simulation

/// Stores over simulated nodes (`SimulatedNode`), each fault by hand.
final class NodeAccidentTests: XCTestCase {
    func testWhatListingsLackIsLookedForByName() throws { try NodeAccidents.whatListingsLackIsLookedForByName() }

    func testAWriteThatArrivesLateBringsNothingBack() throws {
        try NodeAccidents.aWriteThatArrivesLateBringsNothingBack()
    }

    func testWhatIsGarbledOnTheWayIsReadElsewhere() throws { try NodeAccidents.whatIsGarbledOnTheWayIsReadElsewhere() }

    func testWhatLingersIsMadeFromTheOthers() throws { try NodeAccidents.whatLingersIsMadeFromTheOthers() }
}
