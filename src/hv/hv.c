/* The list of engines that this build has, in order of preference. */
#include "hv/hv.h"

#include <errno.h>

#include "hv/hv_engines.h"

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
