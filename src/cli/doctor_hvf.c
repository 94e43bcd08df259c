/*
 * What a Mac needs for Hypervisor.framework: macOS 15, a processor that may be shared, and a
 * program that is signed for it. Each says with which code of the framework its lack shows
 * elsewhere.
 */
#include "cli/doctor_hvf.h"

#include <stdlib.h>

#include "cli/cli_json.h"

#define ENTITLEMENT "com.apple.security.hypervisor"
#define MACOS_LEAST 15

/* A blob: magic number and length, both big-endian, and the length counts them. */
#define BLOB_MAGIC 0xfade7171
#define BLOB_HEAD  8

static uint32_t blob_word(const void *at)
{
    return __builtin_bswap32(load_le32(at));
}

static void hvf_version(struct doctor *doctor, const char *version)
{
    long major = strtol(version, NULL, 10);
    struct doctor_check *check;

    if (major <= 0) {
        doctor_add(doctor, "macos", DOCTOR_NOTE, "the system does not tell its version");
        return;
    }
    if (major >= MACOS_LEAST) {
        check = doctor_add(doctor, "macos", DOCTOR_OK, "version %.40s", version);
    } else {
        check = doctor_add(doctor, "macos", DOCTOR_MISSING,
                           "version %.40s: before %d, Hypervisor.framework has no interrupt "
                           "controller for guests",
                           version, MACOS_LEAST);
        doctor_way_out(check, "update macOS, or use --accel soft");
    }
    doctor_fact(check, "version", cli_json_string(version));
}

static void hvf_supported(struct doctor *doctor, int supported)
{
    struct doctor_check *check;

    if (supported == DOCTOR_HVF_UNKNOWN) {
        doctor_add(doctor, "hypervisor", DOCTOR_NOTE, "the system does not tell kern.hv_support");
        return;
    }
    if (supported) {
        check = doctor_add(doctor, "hypervisor", DOCTOR_OK,
                           "kern.hv_support is 1: this Mac can run guests on its own processor");
    } else {
        check =
            doctor_add(doctor, "hypervisor", DOCTOR_MISSING,
                       "kern.hv_support is 0: this Mac, or the virtual machine that it is, cannot "
                       "run guests on its own processor, and Hypervisor.framework answers "
                       "HV_UNSUPPORTED");
        doctor_way_out(check,
                       "in a virtual machine, turn on nested virtualization (from M3 on), or "
                       "use --accel soft");
    }
    doctor_fact(check, "hv_support", json_boolean(supported));
}

static void hvf_entitled(struct doctor *doctor, int entitled)
{
    struct doctor_check *check;

    if (entitled == DOCTOR_HVF_UNKNOWN) {
        doctor_add(doctor, "entitlement", DOCTOR_NOTE,
                   "the system does not tell how this program is signed");
        return;
    }
    if (entitled) {
        check = doctor_add(doctor, "entitlement", DOCTOR_OK,
                           "this program is signed with " ENTITLEMENT);
    } else {
        check = doctor_add(doctor, "entitlement", DOCTOR_MISSING,
                           "this program is not signed with " ENTITLEMENT ", so that "
                           "Hypervisor.framework answers HV_DENIED");
        doctor_way_out(check, "sign it: tools/sign.sh PROGRAM (every link drops the signature)");
    }
    doctor_fact(check, "entitled", json_boolean(entitled));
}

void doctor_hvf_add(struct doctor *doctor, const struct doctor_hvf_host *host)
{
    hvf_version(doctor, host->version);
    hvf_supported(doctor, host->supported);
    hvf_entitled(doctor, host->entitled);
}

bool doctor_hvf_entitled(const void *blob, size_t len)
{
    static const char key[] = "<key>" ENTITLEMENT "</key>", yes[] = "<true/>";
    const char *text = (const char *)blob + BLOB_HEAD, *at;
    size_t size;

    if (len < BLOB_HEAD || blob_word(blob) != BLOB_MAGIC)
        return false;
    size = blob_word((const char *)blob + 4);
    if (size < BLOB_HEAD || size > len)
        return false;
    size -= BLOB_HEAD;
    at = memmem(text, size, key, strlen(key));
    if (!at)
        return false;
    at += strlen(key);
    while (at < text + size && strchr(" \t\r\n", *at) && *at)
        at++;
    return (size_t)(text + size - at) >= strlen(yes) && !memcmp(at, yes, strlen(yes));
}
