// Measures liberasurecode_encode, as its users call it: an object in, k + m allocated fragments out.
//
// usage: liberasurecode BACKEND K M OBJECT_BYTES TOTAL_BYTES ROUNDS
// BACKEND is isa-l-vandermonde, isa-l-cauchy, jerasure-vandermonde or jerasure-cauchy. Objects follow one another through
// TOTAL_BYTES of data; OBJECT_BYTES = TOTAL_BYTES stays in the cache when that is small. Prints JSON: GB/s of data bytes for
// each round, by the wall clock and by CPU time. Before that, m fragments are dropped and the object decoded.
#include <liberasurecode/erasurecode.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// Enough bytes a round for the clock, however small the objects are.
static const uint64_t leastRoundBytes = 256u << 20;

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void fail(const char *what, int code) {
    fprintf(stderr, "error: %s (%d)\n", what, code);
    exit(1);
}

static ec_backend_id_t backendNamed(const char *name) {
    if (strcmp(name, "isa-l-vandermonde") == 0) return EC_BACKEND_ISA_L_RS_VAND;
    if (strcmp(name, "isa-l-cauchy") == 0) return EC_BACKEND_ISA_L_RS_CAUCHY;
    if (strcmp(name, "jerasure-vandermonde") == 0) return EC_BACKEND_JERASURE_RS_VAND;
    if (strcmp(name, "jerasure-cauchy") == 0) return EC_BACKEND_JERASURE_RS_CAUCHY;
    fail("unknown backend", 0);
    return EC_BACKEND_NULL;
}

static void checkDecoding(int coder, int k, int m, const char *object, uint64_t bytes) {
    char **data, **parity, *decoded;
    uint64_t fragmentBytes, decodedBytes;
    int code = liberasurecode_encode(coder, object, bytes, &data, &parity, &fragmentBytes);
    if (code != 0) fail("liberasurecode_encode", code);
    char *left[EC_MAX_FRAGMENTS];
    int count = 0;
    for (int index = m; index < k + m; index++) left[count++] = index < k ? data[index] : parity[index - k];
    code = liberasurecode_decode(coder, left, count, fragmentBytes, 0, &decoded, &decodedBytes);
    if (code != 0) fail("liberasurecode_decode", code);
    if (decodedBytes != bytes || memcmp(decoded, object, bytes) != 0) fail("decoded bytes differ", 0);
    liberasurecode_decode_cleanup(coder, decoded);
    liberasurecode_encode_cleanup(coder, data, parity);
}

int main(int count, char **arguments) {
    if (count != 7) fail("usage: liberasurecode BACKEND K M OBJECT_BYTES TOTAL_BYTES ROUNDS", count);
    ec_backend_id_t backend = backendNamed(arguments[1]);
    int k = atoi(arguments[2]), m = atoi(arguments[3]), rounds = atoi(arguments[6]);
    uint64_t objectBytes = strtoull(arguments[4], NULL, 10), totalBytes = strtoull(arguments[5], NULL, 10);
    if (k < 1 || m < 1 || m > k || k + m > EC_MAX_FRAGMENTS || rounds < 1 || objectBytes < 1 || objectBytes > totalBytes)
        fail("arguments out of range", 0);
    if (!liberasurecode_backend_available(backend)) fail("this backend's library is not installed", backend);

    struct ec_args shape = {.k = k, .m = m, .w = 8, .hd = m, .ct = CHKSUM_NONE};
    int coder = liberasurecode_instance_create(backend, &shape);
    if (coder <= 0) fail("liberasurecode_instance_create", coder);

    char *object = malloc(totalBytes);
    if (object == NULL) fail("out of memory", 0);
    uint64_t value = 1;
    for (uint64_t offset = 0; offset + 8 <= totalBytes; offset += 8) {
        value = value * 6364136223846793005u + 1442695040888963407u;
        memcpy(object + offset, &value, 8);
    }
    checkDecoding(coder, k, m, object, objectBytes);

    uint64_t objects = totalBytes / objectBytes;
    uint64_t passes = leastRoundBytes / (objects * objectBytes);
    if (passes < 1) passes = 1;
    printf("{\"rounds\":[");
    // The first round only warms up.
    for (int round = -1; round < rounds; round++) {
        double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
        for (uint64_t pass = 0; pass < passes; pass++) {
            for (uint64_t index = 0; index < objects; index++) {
                char **data, **parity;
                uint64_t fragmentBytes;
                int code = liberasurecode_encode(
                    coder, object + index * objectBytes, objectBytes, &data, &parity, &fragmentBytes);
                if (code != 0) fail("liberasurecode_encode", code);
                liberasurecode_encode_cleanup(coder, data, parity);
            }
        }
        wall = seconds(CLOCK_MONOTONIC) - wall;
        cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
        double bytes = (double)(passes * objects * objectBytes);
        if (round >= 0)
            printf("%s{\"wallGBps\":%.4f,\"cpuGBps\":%.4f}", round > 0 ? "," : "", bytes / wall / 1e9, bytes / cpu / 1e9);
    }
    printf("]}\n");
    liberasurecode_instance_destroy(coder);
    free(object);
    return 0;
}
