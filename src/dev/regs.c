/* Register banks as tables: look-up, access rules and plain storage. */
#include "dev/regs.h"

#include "base/log.h"

/* The row of a well-formed access, or NULL with a line in the log. */
static const struct reg *regs_find(const struct reg_bank *bank, struct dev *dev, uint64_t off,
                                   unsigned size, const char *what)
{
    if (size != bank->size) {
        log_guest(dev->ops->name, "%s of %u bytes at offset %#llx ignored: registers are %u wide",
                  what, size, (unsigned long long)off, bank->size);
        return NULL;
    }
    for (unsigned i = 0; i < bank->count; i++)
        if (bank->regs[i].off == off)
            return &bank->regs[i];
    log_guest(dev->ops->name, "%s at offset %#llx ignored: no register there", what,
              (unsigned long long)off);
    return NULL;
}

static uint32_t *regs_backing(const struct reg *reg, struct dev *dev)
{
    return (uint32_t *)(void *)((char *)dev + reg->backing);
}

uint64_t regs_read(const struct reg_bank *bank, struct dev *dev, uint64_t off, unsigned size)
{
    const struct reg *reg = regs_find(bank, dev, off, size, "read");

    if (!reg)
        return 0;
    if (reg->read)
        return reg->read(dev, reg->off);
    if (reg->backing)
        return *regs_backing(reg, dev);
    log_guest(dev->ops->name, "read of write-only register %s", reg->name);
    return 0;
}

void regs_write(const struct reg_bank *bank, struct dev *dev, uint64_t off, unsigned size,
                uint64_t val)
{
    const struct reg *reg = regs_find(bank, dev, off, size, "write");

    if (!reg)
        return;
    if (!reg->writable) {
        log_guest(dev->ops->name, "write of %#llx to read-only register %s ignored",
                  (unsigned long long)val, reg->name);
        return;
    }
    if (reg->write)
        reg->write(dev, reg->off, (uint32_t)val & reg->writable);
    else
        *regs_backing(reg, dev) =
            (*regs_backing(reg, dev) & ~reg->writable) | ((uint32_t)val & reg->writable);
}
