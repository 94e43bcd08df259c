/* Start, end, output and the helpers of kernel.h. */
#include "kernel.h"

#include <stdarg.h>

#include "space.h"

#define UART     UINT64_C(0x09000000)
#define UART_LSR (UART + 5)
#define LSR_THRE 0x20
#define FIFO     16

#define EC_IABT_LOWER 0x20
#define EC_PC_ALIGN   0x22
#define EC_DABT_SAME  0x25
#define EC_WATCH_LOW  0x34
#define EC_WATCH_SAME 0x35

#define CTR_LINE 64

extern const char snippets_end[];

/* The compiler calls these. */
void *memset(void *to, int value, size_t len);
void *memcpy(void *to, const void *from, size_t len);

void *memset(void *to, int value, size_t len)
{
    for (volatile uint8_t *p = to; len; len--)
        *p++ = (uint8_t)value;
    return to;
}

void *memcpy(void *to, const void *from, size_t len)
{
    const uint8_t *q = from;

    for (volatile uint8_t *p = to; len; len--)
        *p++ = *q++;
    return to;
}

/* ---- output ---- */

static void put(char c)
{
    static unsigned room;

    /* Each access costs a host that emulates KVM dearly: look at the state once per FIFO. */
    if (!room) {
        while (!(read8(UART_LSR) & LSR_THRE))
            ;
        room = FIFO;
    }
    write8(UART, (uint8_t)c);
    room--;
}

static void put_number(uint64_t value, unsigned base)
{
    char text[20];
    unsigned n = 0;

    do
        text[n++] = "0123456789abcdef"[value % base];
    while (value /= base);
    while (n)
        put(text[--n]);
}

void print(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    for (; *fmt; fmt++) {
        if (*fmt != '%') {
            put(*fmt);
            continue;
        }
        switch (*++fmt) {
        case 's':
            for (const char *s = va_arg(ap, const char *); *s; s++)
                put(*s);
            break;
        case 'x':
            put_number(va_arg(ap, uint64_t), 16);
            break;
        case 'd':
            put_number(va_arg(ap, unsigned), 10);
            break;
        case 'c':
            put((char)va_arg(ap, int));
            break;
        }
    }
    va_end(ap);
}

/* An address of code depends on the compiler: said relative to where the run began. */
static void print_address(const char *what, uint64_t value, uint64_t base)
{
    int64_t off = (int64_t)(value - base);

    if (off > -0x10000 && off < 0x10000)
        print(" %s=%s%x", what, off < 0 ? "-" : "+", (uint64_t)(off < 0 ? -off : off));
    else
        print(" %s=%x", what, value);
}

/* FAR_EL1 means something for these classes only. */
static bool far_valid(unsigned ec)
{
    return (ec >= EC_IABT_LOWER && ec <= EC_PC_ALIGN) ||
           (ec >= EC_PC_ALIGN && ec <= EC_DABT_SAME) || ec == EC_WATCH_LOW || ec == EC_WATCH_SAME;
}

void print_trap(const struct go *g)
{
    static const char *const from[] = { "el1t", "el1h", "el0", "aarch32" };
    static const char *const what[] = { "sync", "irq", "fiq", "serror" };
    unsigned kind = (unsigned)(g->vector >> 7 & 3);

    if (kind == 0 && returned(g)) {
        print("returns");
        return;
    }
    print("%s %s", from[g->vector >> 9 & 3], what[kind]);
    if (kind == 0)
        print(" esr=%x", g->esr);
    print_address("elr", g->elr, g->pc);
    if (kind == 0 && far_valid(ESR_EC(g->esr)))
        print_address("far", g->far, g->pc);
    print(" spsr=%x", g->spsr_out & SPSR_MASK);
}

void print_brief(const char *label, const struct go *g, uint64_t va)
{
    if (returned(g)) {
        print(" %sok", label);
        return;
    }
    print(" %s%x", label, g->esr);
    if (far_valid(ESR_EC(g->esr)) && g->far != va)
        print_address("far", g->far, va);
    if (g->elr != g->pc)
        print_address("elr", g->elr, g->pc);
    if ((g->spsr_out & SPSR_MASK) != g->spsr)
        print(" spsr=%x", g->spsr_out & SPSR_MASK);
}

void report(const char *group, const char *check, const struct go *g)
{
    print("%s.%s: ", group, check);
    print_trap(g);
    print("\n");
}

/* ---- running ---- */

void run(struct go *g)
{
    g->alias = space_alias();
    go(g);
}

struct go run_at(uint64_t spsr, const void *pc, uint64_t x0, uint64_t x1, uint64_t x2, uint64_t x3)
{
    struct go g = { .pc = (uint64_t)pc, .spsr = spsr, .x = { x0, x1, x2, x3 } };

    run(&g);
    return g;
}

/* Generated code lies at the end of the page of snippets. Written with the MMU on, it goes
 * through the upper half, where the page is writable (space.c). */
#define EMIT_BYTES 1024

const void *emit(const uint32_t *words, unsigned count)
{
    uint64_t code = (uint64_t)snippets_end - EMIT_BYTES;

    for (unsigned i = 0; i < count; i++)
        write32((code + 4 * i) | space_writable_alias(), words[i]);
    for (uint64_t p = code; p < code + 4 * count; p += CTR_LINE)
        __asm__ volatile("dc cvau, %0\ndsb ish\nic ivau, %0" : : "r"(p) : "memory");
    __asm__ volatile("dsb ish\nisb" : : : "memory");
    return (const void *)code;
}

int64_t psci(uint32_t fn, uint64_t a, uint64_t b, uint64_t c)
{
    register uint64_t x0 __asm__("x0") = fn;
    register uint64_t x1 __asm__("x1") = a;
    register uint64_t x2 __asm__("x2") = b;
    register uint64_t x3 __asm__("x3") = c;

    __asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "memory");
    return (int64_t)x0;
}

void kmain(void);
void kernel_failed(uint64_t esr, uint64_t elr, uint64_t far);

void kernel_failed(uint64_t esr, uint64_t elr, uint64_t far)
{
    print("\nkernel failed: esr %x elr %x far %x\n", esr, elr, far);
    psci(PSCI_SYSTEM_OFF, 0, 0, 0);
}

void kmain(void)
{
    print("begin\n");
    check_sysregs();
    check_exceptions();
    check_el0();
    check_aborts();
    check_mmu();
    check_timer();
    check_gic();
    check_debug();
    check_smp();
    print("end\n");
    psci(PSCI_SYSTEM_OFF, 0, 0, 0);
}
