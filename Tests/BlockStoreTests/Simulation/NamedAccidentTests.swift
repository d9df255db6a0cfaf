import XCTest

@testable import BlockStore
@testable import Simulation

/// Real accidents of other systems, each by the name of its report (Tests/Simulation/NamedAccidents.swift).
final class NamedAccidentTests: XCTestCase {
    override func tearDown() { Mutant.active = nil }

    private func cannotHappen(_ name: String) throws {
        try XCTUnwrap(NamedAccident.all.first { $0.name == name }, name).run()
    }

    func testMinio18304RenameWithoutDirectorySyncLosesNothing() throws { try cannotHappen("minio#18304") }

    func testMinio14380NothingIsPurgedWhileDrivesComeUp() throws { try cannotHappen("minio#14380") }

    func testSeaweedfs6445And9872TwoGenerationsAreNeverMixed() throws { try cannotHappen("seaweedfs#6445, #9872") }

    func testMinio13803ARepairWritesTheSamePadding() throws { try cannotHappen("minio#13803") }

    func testRustfs8005AShardOneByteShortIsFound() throws { try cannotHappen("rustfs#8005") }

    func testRustfs5869ARepairThatReportsSuccessHasMadeEveryShard() throws { try cannotHappen("rustfs#5869") }

    func testMinio17416MetadataIsNeverTruncatedInPlace() throws { try cannotHappen("minio#17416") }

    func testMinio9931AReturningDeviceResurrectsNoDelete() throws { try cannotHappen("minio#9931") }

    func testSeaweedfs9596ShardsReadWithoutTheirIndex() throws { try cannotHappen("seaweedfs#9596") }

    func testSeaweedfs2472NamesSurviveALostIndex() throws { try cannotHappen("seaweedfs#2472") }

    func testRestic3984ACleanUpNeverTakesWhatALiveWriterStaged() throws { try cannotHappen("restic#3984") }

    func testRustfs3296AFullDiskBricksNoMetadata() throws { try cannotHappen("rustfs#3296") }

    func testStorj2194ARepairFromExactlyKPiecesSpreadsNoCorruption() throws { try cannotHappen("storj#2194") }

    func testEachAccidentHappensWithTheBugThatMadeIt() {
        for accident in NamedAccident.all {
            for mutant in accident.mutants {
                Mutant.active = mutant
                XCTAssertThrowsError(try accident.run(), "\(accident.name) with \(mutant)")
            }
        }
    }
}
