// swift-tools-version: 6.2
import PackageDescription

/// Programs that use the library as anybody would: `swift run --package-path Examples tour HOME`.
let store: [Target.Dependency] = [.product(name: "BlockStore", package: "BlockStore")]

let package = Package(
    name: "Examples",
    dependencies: [.package(name: "BlockStore", path: "..")],
    targets: [
        .executableTarget(name: "tour", dependencies: store, path: "tour"),
        .executableTarget(name: "backup", dependencies: store, path: "backup"),
        .executableTarget(name: "ingest", dependencies: store, path: "ingest"),
    ]
)
