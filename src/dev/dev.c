/* The part that all devices share. */
#include "dev/dev.h"

void dev_init(struct dev *dev, const struct dev_ops *ops)
{
    memset(dev, 0, sizeof(*dev));
    dev->ops = ops;
    lock_init(&dev->lock);
}

void dev_fini(struct dev *dev)
{
    lock_fini(&dev->lock);
}
