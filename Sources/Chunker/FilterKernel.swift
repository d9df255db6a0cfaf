internal import CChunker

/// How the candidates of algorithm 2 are found. All kernels find the same ones.
public enum FilterKernel: String, Sendable, CaseIterable {
    /// Swift, one position at a time: the oracle.
    case plain
    /// C, vectors of 16 bytes.
    case portable
    case neon
    case avx2
    case avx512

    /// Those that this machine can run, the fastest last.
    public static let available = allCases.filter { kernel in
        kernel.code.map { bs_chunker_supports($0) != 0 } ?? true
    }

    /// The fastest that finds what the portable one finds: tried once per process, in microseconds, because
    /// no test has run on every machine.
    public static let fastest = available.last { $0.candidatesOfASample == portable.candidatesOfASample } ?? .plain

    private var candidatesOfASample: [Candidate] {
        var random = SplitMix64(state: 1)
        let sample = (0..<1024).map { _ in random.next() }
        return sample.withUnsafeBytes { bytes in
            CandidateFilter(seed: 1, kernel: self).candidates(in: bytes, after: CandidateFilter.contextBytes)
        }
    }

    var code: bs_chunker_kernel? {
        switch self {
        case .plain: nil
        case .portable: BS_CHUNKER_PORTABLE
        case .neon: BS_CHUNKER_NEON
        case .avx2: BS_CHUNKER_AVX2
        case .avx512: BS_CHUNKER_AVX512
        }
    }
}
