/* The list of engines that this build has, in order of preference. */
#include "hv/hv.h"

#include <errno.h>

#include "hv/hv_engines.h"

/* All that there are anywhere, in the same order, and where a build has them. */
static const struct {
    const char *name, *host;
} hv_known[] = {
    { "hvf", "macOS on Apple Silicon" },
    { "kvm", "arm64 Linux" },
    { "soft", "every host" },
};

int hv_find(const char *name, const struct hv_ops **ret_ops, struct err *err)
{
    bool automatic = !strcmp(name, "auto");
    int rc;

    for (unsigned i = 0; hv_engines[i]; i++) {
        const struct hv_ops *ops = hv_engines[i];
        if (automatic) {
            if (ops->probe(NULL) < 0)
                continue;
        } else {
            if (strcmp(name, ops->name) != 0)
                continue;
            rc = ops->probe(err);
            if (rc < 0)
                return rc;
        }
        *ret_ops = ops;
        return 0;
    }
    return err_set(err, ENOTSUP, "engine %s is not part of this build; use --accel auto", name);
}

bool hv_probe(unsigned index, struct hv_probe *ret_probe)
{
    struct hv_probe probe = { 0 };

    if (index >= ARRAY_LEN(hv_known))
        return false;
    probe.name = hv_known[index].name;
    for (unsigned i = 0; hv_engines[i]; i++) {
        if (strcmp(hv_engines[i]->name, probe.name) != 0)
            continue;
        probe.built_in = true;
        probe.works = hv_engines[i]->probe(&probe.why) == 0;
    }
    if (!probe.built_in)
        err_set(&probe.why, ENOTSUP, "not part of this build; it is for %s", hv_known[index].host);
    *ret_probe = probe;
    return true;
}
