/* The words for what Hypervisor.framework returns. Says it; what to do about it is the caller's. */
#include "hv/hv_hvf_err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define CALL_MAX 160

static const struct {
    hv_return_t code;
    int number;
    const char *name, *meaning;
} codes[] = {
    { HV_ERROR, EIO, "HV_ERROR", "the framework does not say why" },
    { HV_BUSY, EBUSY, "HV_BUSY", "something else has it: a process has one machine" },
    { HV_BAD_ARGUMENT, EINVAL, "HV_BAD_ARGUMENT", "the framework does not take that" },
    { HV_ILLEGAL_GUEST_STATE, EIO, "HV_ILLEGAL_GUEST_STATE",
      "the guest's registers hold what no CPU could run" },
    { HV_NO_RESOURCES, ENOMEM, "HV_NO_RESOURCES",
      "the host has no more memory or machines to give; end others" },
    { HV_NO_DEVICE, ENODEV, "HV_NO_DEVICE", "there is no such machine or vCPU" },
    { HV_DENIED, EACCES, "HV_DENIED",
      "the program lacks the entitlement com.apple.security.hypervisor, as it does after every "
      "link; sign it with tools/sign.sh, or use --accel soft" },
    { HV_EXISTS, EEXIST, "HV_EXISTS", "it is there already" },
    { HV_UNSUPPORTED, ENOTSUP, "HV_UNSUPPORTED",
      "this Mac, its macOS, or the virtual machine that we are in cannot do that (with "
      "kern.hv_support = 0 it has no virtualization at all); use --accel soft" },
};

int hv_hvf_err_set(struct err *err, hv_return_t code, const char *fmt, ...)
{
    char call[CALL_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(call, sizeof(call), fmt, ap);
    va_end(ap);
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (codes[i].code == code)
            return err_set(err, codes[i].number, "%s: %s (%#x): %s", call, codes[i].name,
                           (unsigned)code, codes[i].meaning);
    return err_set(err, EIO, "%s: error %#x, which the framework's interface does not list", call,
                   (unsigned)code);
}
