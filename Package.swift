// swift-tools-version: 6.2
import PackageDescription

/// No Swift package dependencies, on purpose: docs/decisions/0001-no-packages.md.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// Deliberate bugs exist in debug builds alone, where the tests switch them on one at a time
/// to prove that the simulator catches them (docs/testing.md).
let engineSettings = settings + [.define("MUTANTS", .when(configuration: .debug))]

let package = Package(
    name: "BlockStore",
    products: [
        .library(name: "BlockStore", targets: ["BlockStore"]),
        .executable(name: "bsctl", targets: ["bsctl"]),
    ],
    targets: [
        .systemLibrary(name: "CISAL", pkgConfig: "libisal", providers: [.apt(["libisal-dev"])]),
        .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CLinux"),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .target(name: "CChunker"),
        .target(name: "Chunker", dependencies: ["CChunker", "CLZ4", "CCrypto"], swiftSettings: settings),
        .target(name: "Erasure", dependencies: ["CISAL"], swiftSettings: settings),
        .target(
            name: "BlockStore", dependencies: ["Chunker", "Erasure", "CISAL", "CCrypto", "CCurl", "CLinux", "CSQLite"],
            swiftSettings: engineSettings),
        .executableTarget(
            name: "bsctl", dependencies: ["BlockStore", "Chunker", "Erasure", "CISAL", "CLZ4", "CCrypto"],
            swiftSettings: settings),
        // Not a test by itself: a test target, so that a release build of the package leaves it out.
        .testTarget(
            name: "Simulation", dependencies: ["BlockStore"], path: "Tests/Simulation",
            swiftSettings: engineSettings),
        .testTarget(name: "ChunkerTests", dependencies: ["Chunker"], swiftSettings: settings),
        .testTarget(name: "ErasureTests", dependencies: ["Erasure"], swiftSettings: settings),
        .testTarget(
            name: "BlockStoreTests", dependencies: ["BlockStore", "Simulation"],
            swiftSettings: engineSettings),
        .testTarget(
            name: "BsctlTests", dependencies: ["bsctl", "BlockStore", "Erasure", "Simulation"],
            swiftSettings: settings),
    ]
)
