#!/usr/bin/env python3
"""Writes the assembly of the spikes: hot loops of the benchmark's kernels as gcc compiles them for
arm64, put into x86-64 the way a one-pass translator would, in several ways that differ in one thing.

  emit.py FILE.S

The loops and the ways are in loops.py. RBP holds the CPU's struct (struct spike_cpu); RAX, RCX and RDX
are free, and R9 to R11 where no guest register lives in them.
"""

import collections
import re
import sys

from loops import GROUPS, How

# Callee-saved ones first, as far as there are any.
HOST = ["rbx", "r12", "r13", "r14", "r15", "rsi", "rdi", "r8", "r9", "r10", "r11"]
NARROW = {"rax": "eax", "rbx": "ebx", "rcx": "ecx", "rdx": "edx", "rsi": "esi", "rdi": "edi",
          **{f"r{i}": f"r{i}d" for i in range(8, 16)}}

# struct spike_cpu, checked in spikes.c.
NZCV, REQUEST, RETIRED, COUNT, TLB = 0x110, 0x118, 0x120, 0x128, 0x130
KEY, ADDEND, RING_AT, BUDGET = 0x138, 0x148, 0x150, 0x158
RING, TARGETS, TLB32, TLB16_R, TLB16_W = 0x200, 0x1000, 0x8000, 0x18000, 0x20000

# Where code lies in its cache lines may cost or save a cycle: each variant is there so many times, at
# different offsets in a line. spikes.c knows the number.
PLACEMENTS = 4

SHIFTS = {"lsl": "shl", "lsr": "shr", "ror": "ror"}
CONDITIONS = {"ne": "ne", "ls": "be"}


def number(name):
    """Of a guest register."""
    return 31 if name == "sp" else int(name[1:])


class Emitter:
    def __init__(self, name, how, code):
        self.name, self.how, self.lines = name, how, []
        self.labels, self.sites, self.result = 0, [], None
        uses = collections.Counter(map(number, re.findall(r"\b[xw]\d+|\bsp\b", code)))
        self.uses = sorted(uses)
        self.host = dict(zip([reg for reg, _ in uses.most_common(how.pin)], HOST))

    def put(self, *lines):
        self.lines += lines

    def label(self):
        self.labels += 1
        return f".L{self.name}_{self.labels}"

    def at(self, reg, wide=True):
        """A guest register, by its number, as an operand."""
        if reg in self.host:
            return self.host[reg] if wide else NARROW[self.host[reg]]
        return f"{'qword' if wide else 'dword'} ptr [rbp+{8 * reg}]"

    def load(self, host, reg, wide=True):
        self.put(f"mov {host if wide else NARROW[host]}, {self.at(reg, wide)}")

    def store(self, reg, host):
        if self.at(reg) != host:
            self.put(f"mov {self.at(reg)}, {host}")

    # Arithmetic. Memory holds 64 bits; a 32-bit result is computed in a register, which clears the rest.
    def compute(self, op, d, a, b, shift, wide):
        if isinstance(b, str):
            source = b
        elif shift or op == "bic":
            self.load("rax", b, wide)
            low = "rax" if wide else "eax"
            if shift:
                self.put(f"{SHIFTS[shift[0]]} {low}, {shift[1]}")
            if op == "bic":
                self.put(f"not {low}")
            source = low
        else:
            source = self.at(b, wide)
        into = self.host[d] if d in self.host and (d == a or d != b) else "rcx"
        if not (into != "rcx" and d == a):
            self.load(into, a, wide)
        name = {"eor": "xor", "orr": "or", "bic": "and", "mul": "imul"}.get(op, op)
        self.put(f"{name} {into if wide else NARROW[into]}, {source}")
        self.store(d, into)

    def move(self, d, b, wide):
        into = self.host.get(d, "rcx")
        if isinstance(b, str):
            self.put(f"mov {into}, {b}")
        else:
            self.load(into, b, wide)
        self.store(d, into)

    def flags(self, result):
        """After a host instruction that set EFLAGS. None of these but CMC changes them, and that
        only the carry, which Arm has the other way round after a subtraction. The MOV frees LAHF
        from waiting for the last user of RAX."""
        if self.how.flags in ("host", "again"):
            self.result = result
            return
        self.put("mov eax, 0", "cmc", "lahf", "seto al")
        if "pext" in self.how.flags:
            self.put("movzx eax, ax", "mov ecx, 0xc101", "pext eax, eax, ecx", "rorx eax, eax, 4")
        self.put(f"mov dword ptr [rbp+{NZCV}], eax")

    # Memory.
    def address(self, text):
        """[base], [base, index], [base, index, lsl n], [base, imm]: into RAX."""
        parts = [p.strip() for p in text.split(",")]
        self.load("rax", number(parts[0]))
        if len(parts) == 1:
            return
        if not parts[1].startswith("x"):
            self.put(f"add rax, {parts[1]}")
            return
        index, scale = number(parts[1]), 1 << int(parts[2].split()[1]) if len(parts) > 2 else 1
        if index not in self.host:
            self.load("rcx", index)
        self.put(f"lea rax, [rax+{self.host.get(index, 'rcx')}*{scale}]")

    def reach(self, size, write):
        """The guest address in RAX becomes a host address, RAX + RDX. Returns the operand."""
        words = self.how.tlb.split()
        if words[0] == "direct":
            return "[rax]"
        if words[0] == "addend":
            self.put(f"mov rdx, [rbp+{ADDEND}]")
            return "[rax+rdx]"
        if "elide" in words and write:
            return "[r11]"  # where the load from the same address found it
        write = write or "elide" in words
        small = words[0] == "16"
        bits = 4 if small else 5
        base = "rbp"
        self.put("mov rcx, rax", f"shr rcx, {12 - bits}", f"and ecx, {2047 << bits:#x}")
        if "aligned" in words:
            self.put("mov rdx, rax", f"and rdx, {-4096 | size - 1}")
        else:
            self.put(f"lea rdx, [rax+{size - 1}]", "and rdx, -4096")
        if "half" in words:
            self.put("mov r10, rax", "shr r10, 63")
        if "pointer" in words:
            self.put(f"mov r9, [rbp+{TLB}]", "or rdx, [r9+r10*8]")
            base, tag, addend = "r9", 32 + 8 * write, 32 + 16
        elif small:
            tag = TLB16_W if write else TLB16_R
            addend = tag + 8
        else:
            tag, addend = TLB32 + 8 * write, TLB32 + 16
        if "half" in words and "pointer" not in words:
            self.put(f"or rdx, [rbp+r10*8+{KEY}]")
        if "key" in words:
            self.put(f"or rdx, [rbp+{KEY}]")
        self.put(f"cmp rdx, [{base}+rcx+{tag}]", "jne spike_slow", f"mov rdx, [{base}+rcx+{addend}]")
        if "elide" in words:
            self.put("lea r11, [rax+rdx]")
        return "[rax+rdx]"

    def access(self, op, regs, text):
        """LDR, STR, LDP, STP of 64 bits, or of 32 into a W register; [base, imm]! and [base], imm."""
        inside, after = re.match(r"\[(.*?)\](.*)", text).groups()
        size = 4 if regs[0][0] == "w" else 8
        self.address(inside)
        operand = self.reach(size * len(regs), op.startswith("st"))
        for i, reg in enumerate(map(number, regs)):
            place = operand[:-1] + (f"+{8 * i}]" if i else "]")
            name = self.host.get(reg, "rcx")
            name = name if size == 8 else NARROW[name]
            if op.startswith("st"):
                if reg not in self.host:
                    self.load("rcx", reg)
                self.put(f"mov {place}, {name}")
            else:
                self.put(f"mov {name}, {place}")
                self.store(reg, self.host.get(reg, "rcx"))
        base = number(inside.split(",")[0])
        if after == "!":
            self.store(base, "rax")
        elif after:
            self.put(f"add {self.at(base)}, {after.strip(', ')}")

    # Where control goes.
    def edge(self, instructions, back):
        """The end of a block."""
        how = self.how
        if how.count == "memory":
            self.put(f"add qword ptr [rbp+{RETIRED}], {instructions}")
        elif how.count == "register":
            self.put(f"add r11, {instructions}")
        elif how.count == "budget":
            self.put(f"sub qword ptr [rbp+{BUDGET}], {instructions}", "js spike_slow")
        if how.check == "all" or how.check == "back" and back:
            self.put(f"cmp dword ptr [rbp+{REQUEST}], 0", "jne spike_slow")

    def call(self, target):
        """BL: X30 is the guest's return address; where its translation goes on is found again."""
        back, guest = self.label(), 0x400000 + 4 * len(self.sites)
        self.sites.append((guest, back))
        self.put(f"mov {self.at(30)}, {guest}")
        ret = self.how.ret
        if ret.startswith("ring"):
            index = "r10" if "register" in ret else "rcx"
            if index == "rcx":
                self.put(f"mov ecx, [rbp+{RING_AT}]")
            low = NARROW[index]
            self.put(f"add {low}, 16", f"and {low}, 0xf0",
                     f"mov qword ptr [rbp+{index}+{RING}], {guest}", f"lea rdx, {back}[rip]",
                     f"mov [rbp+{index}+{RING + 8}], rdx")
            if index == "rcx":
                self.put(f"mov [rbp+{RING_AT}], ecx")
        if ret == "host":
            self.put(f"push {guest}", f"call {target}", f"{back}:", "add rsp, 8")
        else:
            self.put(f"jmp {target}", f"{back}:")

    def hashed(self):
        self.put(f"mov ecx, {NARROW[self.host[30]]}", "and ecx, 0xffc",
                 f"cmp {self.host[30]}, [rbp+rcx*4+{TARGETS}]", "jne spike_slow",
                 f"jmp [rbp+rcx*4+{TARGETS + 8}]")

    def ret(self):
        ret, miss = self.how.ret, self.label()
        if ret.startswith("ring"):
            index = "r10" if "register" in ret else "rcx"
            if index == "rcx":
                self.put(f"mov ecx, [rbp+{RING_AT}]")
            self.put(f"cmp {self.host[30]}, [rbp+{index}+{RING}]", f"jne {miss}",
                     f"mov rdx, [rbp+{index}+{RING + 8}]", f"sub {NARROW[index]}, 16",
                     f"and {NARROW[index]}, 0xf0")
            if index == "rcx":
                self.put(f"mov [rbp+{RING_AT}], ecx")
            self.put("jmp rdx", f"{miss}:")
            self.hashed()  # the ring is shallower than the recursion: that is part of its price
        elif ret == "host":
            self.put(f"cmp {self.host[30]}, [rsp+8]", "jne spike_slow", "ret")
        elif ret == "hash":
            self.hashed()
        else:
            self.put("push rsi", "sub rsp, 8", "mov rdi, rbp", f"mov rsi, {self.host[30]}",
                     "call spike_lookup@PLT", "add rsp, 8", "pop rsi", "jmp rax")

    def instruction(self, text):
        """One guest instruction; labels and block ends are translate()'s."""
        op, _, rest = text.partition(" ")
        operands = [p.strip() for p in re.split(r",\s*(?![^\[]*\])", rest)]
        if op[:2] in ("ld", "st"):
            at = next(i for i, p in enumerate(operands) if p.startswith("["))
            return self.access(op, operands[:at], ", ".join(operands[at:]))
        wide = operands[0][0] != "w"
        args = [number(p) if p[0] in "xws" else p for p in operands]
        if op == "mov":
            return self.move(args[0], args[1], wide)
        if op == "cmp":
            self.put(f"cmp {self.at(args[0], wide)}, {args[1]}")
            return self.flags(None)
        if op == "ror":  # by a number
            return self.rotate(args[0], args[1], args[2], wide)
        if op == "madd":
            self.load("rax", args[1])
            self.put(f"imul rax, {self.at(args[2])}", f"add rax, {self.at(args[3])}")
            return self.store(args[0], "rax")
        shift = args[3].split() if len(args) > 3 else None
        self.compute(op.removesuffix("s") if op in ("adds", "subs") else op, *args[:3], shift, wide)
        if op == "subs":
            self.flags(self.at(args[0], wide))
        return None

    def rotate(self, d, a, by, wide):
        into = self.host.get(d, "rcx")
        name = into if wide else NARROW[into]
        self.put(f"rorx {name}, {self.at(a, wide)}, {by}")
        self.store(d, into)

    def branch(self, condition, target):
        how = self.how.flags
        if how == "again":  # N and Z alone can be had so
            self.put(f"cmp {self.result}, 0")
        elif how == "sahf":
            self.put(f"mov eax, [rbp+{NZCV}]", "add al, 0x7f", "sahf")
        elif how in ("lahf", "pext"):
            byte = NZCV + (1 if how == "lahf" else 3)  # Z is bit 6 there, in both
            self.put(f"test byte ptr [rbp+{byte}], 0x40")
            condition = {"ne": "e", "eq": "ne"}[condition]  # of the bit
            self.put(f"j{condition} {target}")
            return
        self.put(f"j{CONDITIONS[condition]} {target}")

    def translate(self, code):
        names = {"loop": f".L{self.name}_loop", "out": f".L{self.name}_out",
                 "fib": f".L{self.name}_fib"}
        count = 0
        for line in filter(None, map(str.strip, code.splitlines())):
            op, _, rest = line.partition(" ")
            count += 1
            if line.endswith(":"):
                self.put(f"{names[line[:-1]]}:")
            elif op == "b":  # to the next block, which lies elsewhere
                self.edge(count, back=False)
                skip = self.label()
                self.put(f"jmp {skip}", ".p2align 4", f"{skip}:")
                count = 0
            elif op.startswith("b."):
                plain = (self.how.count, self.how.check) == ("none", "none")
                if plain or rest != "loop":
                    self.branch(op[2:], names[rest])
                else:  # what is counted and checked spoils the flags, so it comes on the way
                    leave = self.label()
                    self.put(f"je {leave}")
                    self.edge(count, back=True)
                    self.put(f"jmp {names[rest]}", f"{leave}:")
            elif op == "bl":
                self.call(names[rest])
            elif op == "ret":
                self.ret()
            else:
                self.instruction(line)


SAVED = ["rbx", "rbp", "r12", "r13", "r14", "r15"]


def function(name, group, how, placement):
    """uint64_t name(struct spike_cpu *, uint64_t passes)"""
    e = Emitter(name, how, group.code + (group.before or ""))
    scratch = {"r9", "r10", "r11"} & set(e.host.values())
    assert not scratch or how == How(pin=how.pin), f"{name}: {scratch} is needed for something else"
    e.put(".p2align 6", *["nop"] * (64 // PLACEMENTS * placement), f"{name}:",
          *[f"push {reg}" for reg in SAVED], "sub rsp, 8", "mov rbp, rdi",
          f"mov [rbp+{COUNT}], rsi", "xor r10d, r10d", "xor r11d, r11d")
    for reg in e.uses:
        if reg in e.host:
            e.put(f"mov {e.host[reg]}, [rbp+{8 * reg}]")
    e.put(f".L{name}_pass:")
    if group.before:
        e.instruction(group.before)
        e.put(".p2align 4", f".L{name}_loop:")
        e.translate(group.code)
    else:
        e.load("rax", 20)
        e.store(0, "rax")
        e.call(f".L{name}_fib")
    e.put(f"dec qword ptr [rbp+{COUNT}]", f"jnz .L{name}_pass")
    for reg in e.uses:
        if reg in e.host:
            e.put(f"mov [rbp+{8 * reg}], {e.host[reg]}")
    e.put("mov rax, [rbp]", "add rsp, 8", *[f"pop {reg}" for reg in reversed(SAVED)], "ret")
    if not group.before:
        e.put(".p2align 4", f".L{name}_fib:")
        e.translate(group.code)
    return e.lines, e.sites


def main():
    text, rows = [".intel_syntax noprefix", ".text"], []
    for group in GROUPS:
        for index, (title, how) in enumerate(group.variants):
            for placement in range(PLACEMENTS):
                name = f"spike_{group.name}_{index}_{placement}"
                lines, sites = function(name, group, how, placement)
                text += lines
                rows.append((name, group.name, title, sites))
    text += ["spike_slow:", "ud2", '.section .data.rel.ro,"aw"', ".p2align 3", ".globl spike_rows",
             "spike_rows:"]
    for name, group, title, _ in rows:
        text.append(f".quad .Lgroup_{name}, .Ltitle_{name}, {name}, .Lsites_{name}")
    text.append(".quad 0, 0, 0, 0")
    for name, group, title, sites in rows:
        text += [f".Lsites_{name}:", *[f".quad {guest}, {host}" for guest, host in sites], ".quad 0, 0"]
    for name, group, title, _ in rows:
        text += [f'.Lgroup_{name}: .asciz "{group}"', f'.Ltitle_{name}: .asciz "{title}"']
    text += ['.section .note.GNU-stack,"",@progbits', ""]
    with open(sys.argv[1], "w", encoding="ascii") as out:
        out.write("\n".join(text))


if __name__ == "__main__":
    main()
