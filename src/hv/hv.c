/* The list of engines that this build has, in order of preference. */
#include "hv/hv.h"

#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "hv/hv_engines.h"

#define HV_WHY_MAX 1000 /* bytes: a line of the log */

/* All that there are anywhere, in the same order, and where a build has them. */
static const struct {
    const char *name, *host;
} hv_known[] = {
    { "hvf", "macOS on Apple Silicon" },
    { "kvm", "arm64 Linux" },
    { "soft", "every host" },
};

static const struct hv_ops *hv_built_in(const char *name)
{
    for (unsigned i = 0; hv_engines[i]; i++)
        if (!strcmp(hv_engines[i]->name, name))
            return hv_engines[i];
    return NULL;
}

/* The first that works; in `why` the reason for each before it. */
static const struct hv_ops *hv_choose(char *why, size_t len)
{
    struct hv_probe probe;
    size_t at = 0;

    *why = '\0';
    for (unsigned i = 0; hv_probe(i, &probe); i++) {
        if (probe.works)
            return hv_built_in(probe.name);
        if (at < len)
            at += (size_t)snprintf(why + at, len - at, "; not %s: %s", probe.name, probe.why.msg);
    }
    return NULL;
}

int hv_find(const char *name, const struct hv_ops **ret_ops, struct err *err)
{
    const struct hv_ops *ops;
    char why[HV_WHY_MAX];
    int rc;

    if (!strcmp(name, "auto")) {
        ops = hv_choose(why, sizeof(why));
        if (!ops)
            return err_set(err, ENOTSUP, "no engine works here%s", why);
        log_debug("accel", "auto takes %s%s", ops->name, why);
    } else {
        ops = hv_built_in(name);
        if (!ops)
            return err_set(err, ENOTSUP, "engine %s is not part of this build; use --accel auto",
                           name);
        rc = ops->probe(err);
        if (rc < 0)
            return rc;
    }
    *ret_ops = ops;
    return 0;
}

bool hv_probe(unsigned index, struct hv_probe *ret_probe)
{
    struct hv_probe probe = { 0 };
    const struct hv_ops *ops;

    if (index >= ARRAY_LEN(hv_known))
        return false;
    probe.name = hv_known[index].name;
    ops = hv_built_in(probe.name);
    probe.built_in = ops;
    if (ops)
        probe.works = ops->probe(&probe.why) == 0;
    else
        err_set(&probe.why, ENOTSUP, "not part of this build; it is for %s", hv_known[index].host);
    *ret_probe = probe;
    return true;
}
