"""What emit.py makes spikes of: guest loops, and the ways to translate each."""

import collections

# The compiler put the compare early: before the branch, other instructions spoil the host's flags.
ALU = """
    eor x1, x1, x1, lsl 13
    subs w3, w3, 1
    eor x1, x1, x1, lsr 7
    eor x1, x1, x1, lsl 17
    madd x2, x2, x5, x1
    ror x2, x2, 41
    eor x4, x2, x1, lsr 3
    add x0, x0, x4
    b.ne loop"""
ALU_LATE = """
    eor x1, x1, x1, lsl 13
    eor x1, x1, x1, lsr 7
    eor x1, x1, x1, lsl 17
    madd x2, x2, x5, x1
    ror x2, x2, 41
    eor x4, x2, x1, lsr 3
    add x0, x0, x4
    subs w3, w3, 1
    b.ne loop"""
TIGHT = """
    add x0, x0, x1
    subs w3, w3, 1
    b.ne loop"""
L1 = """
    ldr x3, [x2, x1, lsl 3]
    add x0, x0, x3
    eor x3, x0, x1
    str x3, [x2, x1, lsl 3]
    add x1, x1, 1
    cmp x1, 2048
    b.ne loop"""
CHASE = """
    ldr x0, [x0]
    subs w3, w3, 1
    b.ne loop"""
SHA256 = """
    ror w12, w4, 6
    eor w12, w12, w4, ror 11
    eor w12, w12, w4, ror 25
    and w13, w4, w5
    bic w14, w6, w4
    eor w13, w13, w14
    add w7, w7, w12
    ldr w12, [x9, x11]
    add w7, w7, w13
    ldr w13, [x10, x11]
    add w12, w12, w13
    add w15, w7, w12
    ror w12, w0, 2
    eor w12, w12, w0, ror 13
    eor w12, w12, w0, ror 22
    and w13, w0, w1
    eor w14, w0, w1
    and w14, w14, w2
    eor w13, w13, w14
    add w12, w12, w13
    mov w7, w6
    mov w6, w5
    mov w5, w4
    add w4, w3, w15
    mov w3, w2
    mov w2, w1
    mov w1, w0
    add w0, w15, w12
    add x11, x11, 4
    cmp x11, 256
    b.ne loop"""
# Blocks of five that depend little on each other, so that what is put between them has its price.
BLOCKS = """
    add x0, x0, 1
    eor x1, x1, x0
    add x2, x2, 5
    sub x4, x4, 3
    b next
    add x5, x5, x2
    eor x6, x6, 77
    add x0, x0, 9
    orr x4, x4, 1
    b next
    sub x1, x1, 1
    add x2, x2, x4
    eor x5, x5, 12
    add x6, x6, 2
    b next
    add x0, x0, x6
    sub x4, x4, x2
    add x1, x1, 8
    subs w3, w3, 1
    b.ne loop"""
FIB = """
    stp x29, x30, [sp, -32]!
    str x19, [sp, 16]
    mov x19, x0
    cmp x0, 1
    b.ls out
    sub x0, x0, 1
    bl fib
    mov x1, x0
    sub x0, x19, 2
    mov x19, x1
    bl fib
    mov x1, x19
    add x0, x1, x0
out:
    ldr x19, [sp, 16]
    ldp x29, x30, [sp], 32
    ret"""

# How one spike differs from the plain translation.
How = collections.namedtuple("How", "pin tlb flags check count ret",
                             defaults=(11, "direct", "host", "none", "none", "ring"))

# Group: the loop, what one line of its results is called, what is set anew before each pass through
# the loop (spikes.c has the rest), and the variants.
Group = collections.namedtuple("Group", "name code before variants")
TLB_VARIANTS = [
    ("addend alone, no check", How(tlb="addend")),
    ("32 B, key by half, pointer load (today)", How(tlb="32 half pointer")),
    ("32 B, key by half, at base register", How(tlb="32 half")),
    ("32 B, one key", How(tlb="32 key")),
    ("32 B, no key", How(tlb="32")),
    ("32 B, no key, misaligned goes slow", How(tlb="32 aligned")),
    ("16 B, one key", How(tlb="16 key")),
    ("16 B, no key", How(tlb="16")),
    ("16 B, no key, misaligned goes slow", How(tlb="16 aligned")),
]
PIN_VARIANTS = [(f"{n} registers", How(pin=n)) for n in (0, 6, 11)]
FLAG_VARIANTS = [
    ("result kept, compared again at the branch", How(pin=6, flags="again")),
    ("saved: lahf, seto; restored: sahf", How(pin=6, flags="sahf")),
    ("saved: lahf, seto; branch tests memory", How(pin=6, flags="lahf")),
    ("saved as NZCV: pext; branch tests memory", How(pin=6, flags="pext")),
]
GROUPS = [
    Group("l1", L1, "mov x1, 0", TLB_VARIANTS + [
        ("32 B, key by half, store elided", How(tlb="32 half elide")),
        ("16 B, no key, store elided", How(tlb="16 elide"))]),
    Group("chase", CHASE, "mov w3, 1024", TLB_VARIANTS),
    Group("recursion", FIB, None, [
        ("ring of 16, index in memory", How(pin=6, ret="ring")),
        ("ring of 16, index in a register", How(pin=6, ret="ring register")),
        ("host call and return, compared", How(pin=6, ret="host")),
        ("hash table inline", How(pin=6, ret="hash")),
        ("hash table in a C function", How(pin=6, ret="helper"))]),
    Group("blocks", BLOCKS, "mov w3, 1024", [
        ("jumps alone", How()),
        ("request checked at the back edge", How(check="back")),
        ("request checked at every block", How(check="all")),
        ("counter in memory", How(count="memory")),
        ("counter in a register", How(count="register")),
        ("request at every block, counter in memory", How(check="all", count="memory")),
        ("request at every block, counter in a register", How(check="all", count="register")),
        ("request at the back edge, counter in a register", How(check="back", count="register")),
        ("budget in memory counted down, one branch", How(count="budget"))]),
    Group("alu", ALU_LATE, "mov w3, 1024", PIN_VARIANTS),
    Group("sha256", SHA256, "mov x11, 0", PIN_VARIANTS),
    Group("flags_alu", ALU, "mov w3, 1024", FLAG_VARIANTS),
    Group("flags_tight", TIGHT, "mov w3, 1024", [
        ("left in EFLAGS", How(pin=6)),
        ("left in EFLAGS, and saved: lahf, seto", How(pin=6, flags="host lahf")),
        ("left in EFLAGS, and saved as NZCV: pext", How(pin=6, flags="host pext")),
        *FLAG_VARIANTS]),
]
