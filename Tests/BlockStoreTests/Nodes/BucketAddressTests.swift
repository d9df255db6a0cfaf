import XCTest

@testable import BlockStore

/// Addresses of nodes: one way of writing each, and never a secret in one.
final class BucketAddressTests: XCTestCase {
    func testAnAddressIsWrittenInOneWayAndReadAgain() throws {
        let addresses = [
            ("s3://archive", "s3://archive"), ("s3://archive/", "s3://archive"),
            ("s3://archive/a/b/?region=eu-central-1", "s3://archive/a/b?region=eu-central-1"),
            (
                "s3://archive/d1?region=r&endpoint=HTTPS://x", nil
            ),
            (
                "s3://archive/d1?region=garage&endpoint=nas.local:3900",
                "s3://archive/d1?endpoint=https://nas.local:3900&region=garage"
            ),
            ("s3://archive?endpoint=https://NAS:443/", "s3://archive?endpoint=https://nas"),
            ("s3://archive?endpoint=http%3A%2F%2F127.0.0.1%3A8333", "s3://archive?endpoint=http://127.0.0.1:8333"),
            ("s3://archive?endpoint=http://[::1]:8333", "s3://archive?endpoint=http://[::1]:8333"),
            ("s3://archive?cost=5.0", "s3://archive?cost=5"), ("s3://archive?cost=0.09", "s3://archive?cost=0.09"),
            (
                "s3://archive/caf%c3%a9%20x?profile=my%20nas&capacity=2TB",
                "s3://archive/caf%C3%A9%20x?profile=my%20nas&capacity=2000000000000"
            ),
        ]
        for (text, expected) in addresses {
            guard let expected else {
                XCTAssertEqual(code { _ = try BucketAddress(text) }, .invalid, text)
                continue
            }
            let address = try BucketAddress(text)
            XCTAssertEqual(address.description, expected)
            XCTAssertEqual(try BucketAddress(expected), address)
        }
    }

    func testWhatIsNoAddressIsRefusedAndSaysWhatIsExpected() {
        for text in [
            "s3://", "s3:///x", "s3://ab", "s3://a b c", "s3://..x", "s3://bucket/a//b", "s3://bucket/../x",
            "s3://bucket/%zz",
            "s3://bucket/%00", "s3://bucket#x", "s3://bucket?x=y", "s3://bucket?region", "s3://bucket?region=",
            "s3://bucket?region=a&region=b", "s3://bucket?region=a/b", "s3://bucket?endpoint=ftp://x",
            "s3://bucket?endpoint=http://x:0", "s3://bucket?endpoint=http://x:99999",
            "s3://bucket?endpoint=http://x/path",
            "s3://bucket?capacity=lots", "s3://bucket?cost=-1", "s3://bucket?cost=nan", "s3://bucket?cost=much",
            "s3://bucket?capacity=1KiB", "/dir", "",
        ] {
            XCTAssertThrowsError(try BucketAddress(text), text) { error in
                guard let error = error as? StoreError else { return XCTFail("\(error)") }
                XCTAssertEqual(error.code, .invalid, text)
                XCTAssertTrue(error.description.contains("s3://BUCKET/PREFIX"), error.description)
            }
        }
    }

    func testASecretInAnAddressIsRefusedAndNotRepeated() {
        for text in [
            "s3://AKIA:hush@bucket/x", "s3://bucket/x?secret_key=hush", "s3://bucket?endpoint=https://me:hush@host",
            "s3://bucket?AWS_SECRET_ACCESS_KEY=hush&region=a", "s3://bucket?token=hush",
        ] {
            XCTAssertThrowsError(try BucketAddress(text), text) { error in
                XCTAssertFalse("\(error)".contains("hush"), "\(error)")
                XCTAssertTrue("\(error)".contains("credentials do not belong into it"), "\(error)")
            }
        }
    }

    func testWhereABucketOfAmazonIs() throws {
        let plain = try BucketAddress("s3://archive/d1")
        XCTAssertEqual(plain.server(region: "eu-west-1").description, "https://archive.s3.eu-west-1.amazonaws.com")
        XCTAssertEqual(plain.path(of: "d1/blocks/x y", region: "eu-west-1"), "/d1/blocks/x%20y")
        let dotted = try BucketAddress("s3://my.archive/d1")
        XCTAssertEqual(dotted.server(region: "eu-west-1").description, "https://s3.eu-west-1.amazonaws.com")
        XCTAssertEqual(dotted.path(of: nil, region: "eu-west-1"), "/my.archive")
    }
}

/// Credentials are found where the AWS tools find them.
final class CredentialTests: XCTestCase {
    private func source(_ variables: [String: String], _ files: [String: String] = [:]) -> CredentialSource {
        CredentialSource(variable: { variables[$0] }, contents: { files[$0].map { Array($0.utf8) } })
    }

    private let files = [
        "/home/u/.aws/credentials": """
        # mine
        [default]
        aws_access_key_id = AKIADEFAULT
        aws_secret_access_key=se=cret/+
        [ nas ]
        aws_access_key_id = AKIANAS
          nested = 1
        aws_secret_access_key = hush
        aws_session_token = tok
        """,
        "/home/u/.aws/config": """
        [default]
        region = eu-north-1
        [profile nas]
        region = garage
        [profile helped]
        credential_process = /bin/true
        """,
    ]

    func testTheEnvironmentComesFirstAndAProfileInTheAddressBeforeIt() throws {
        let both = source(
            ["HOME": "/home/u", "AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "r"], files)
        XCTAssertEqual(
            try both.credentials(profile: nil, for: "x"),
            Credentials(accessKey: "AKIAENV", secretKey: "s", sessionToken: nil))
        XCTAssertEqual(both.region(profile: nil), "r")
        XCTAssertEqual(
            try both.credentials(profile: "nas", for: "x"),
            Credentials(accessKey: "AKIANAS", secretKey: "hush", sessionToken: "tok"))
        XCTAssertEqual(both.region(profile: "nas"), "garage")
    }

    func testTheDefaultProfileAndTheOneTheEnvironmentNames() throws {
        XCTAssertEqual(
            try source(["HOME": "/home/u"], files).credentials(profile: nil, for: "x"),
            Credentials(accessKey: "AKIADEFAULT", secretKey: "se=cret/+", sessionToken: nil))
        XCTAssertEqual(source(["HOME": "/home/u"], files).region(profile: nil), "eu-north-1")
        XCTAssertEqual(
            try source(["HOME": "/home/u", "AWS_PROFILE": "nas"], files).credentials(profile: nil, for: "x").accessKey,
            "AKIANAS")
    }

    func testWhereThereAreNoneItIsSaidWhereTheyWereLookedFor() {
        for (profile, words) in [
            (nil, "AWS_ACCESS_KEY_ID"), ("other", "profile other in /home/u/.aws/credentials"),
            ("helped", "credential_process, which is not supported"),
        ] as [(String?, String)] {
            let found = profile == nil ? [:] : files
            XCTAssertThrowsError(try source(["HOME": "/home/u"], found).credentials(profile: profile, for: "x")) {
                error in
                XCTAssertEqual((error as? StoreError)?.code, .denied)
                XCTAssertTrue("\(error)".contains(words), "\(error)")
            }
        }
    }

    func testASecretIsInNoDescription() {
        let credentials = Credentials(accessKey: "AKIA", secretKey: "hush", sessionToken: "hush")
        var dumped = ""
        dump(credentials, to: &dumped)
        for text in ["\(credentials)", String(reflecting: credentials), dumped] {
            XCTAssertFalse(text.contains("hush"), text)
        }
    }
}
