#!/usr/bin/env python3
"""What the decode table accepts against what LLVM's disassembler accepts.

usage: oracle.py [--of-32 N] [--seed N] DECODE_WORDS LLVM_MC

Walks every value of bits 31:21 and 15:10 of a word, with N of the 32 values of bits 20:16, and bits
9:0 (where almost always only registers are) at random or special. LLVM gets exactly the features
that CPU model `portable` announces. EXPLAINED lists where the two may differ.
"""

import argparse
import collections
import random
import struct
import subprocess
import sys

FEATURES = "+fp-armv8,+neon,+fullfp16,+aes,+sha2,+crc,+lse,+rdm,+dotprod,+rcpc,+lor,+pan,+el3"  # el3: SMC
CHUNK = 1 << 18
SHOWN = 20

# (mask, value, why): words that LLVM accepts and that are UNDEFINED, by Arm DDI 0487, C4.1.
EXPLAINED = [
    (0xffff0000, 0x00000000, "UDF is the instruction that is always UNDEFINED"),
    (0xffe0001c, 0xd4a00000, "DCPS1, DCPS2 and DCPS3 exist in Debug state only"),
    (0xffd80000, 0xd5000000, "MSR and MRS of op0 0: unallocated, LLVM prints them as S0_..."),
]


def pick_words(rng, of_32):
    for place in range(1 << 17):
        for middle in rng.sample(range(32), of_32):
            low = rng.getrandbits(10)
            if rng.random() < 0.5:
                low = rng.choice((0, 31)) << 5 | rng.choice((0, 1, 16, 30, 31))
            yield place >> 6 << 21 | middle << 16 | (place & 63) << 10 | low


def ask_ours(program, words):
    raw = struct.pack(f"<{len(words)}I", *words)
    return subprocess.run([program], input=raw, stdout=subprocess.PIPE, check=True).stdout


def ask_llvm(program, words):
    """For each word whether it is an instruction. LLVM names the lines that are not."""
    text = "".join(" ".join(f"{byte:#04x}" for byte in struct.pack("<I", w)) + "\n" for w in words)
    done = subprocess.run([program, "--disassemble", "--triple=aarch64", "--mattr=" + FEATURES],
                          input=text.encode(), capture_output=True, check=False)
    known = bytearray(b"\1" * len(words))
    for line in done.stderr.decode().splitlines():
        if ": warning: invalid instruction encoding" in line:
            known[int(line.split(":")[1]) - 1] = 0
    printed = sum(line.startswith("\t") and not line.startswith("\t.text")
                  for line in done.stdout.decode().splitlines())
    if printed != sum(known):
        raise SystemExit(f"oracle: {program} printed {printed} instructions of {sum(known)}:\n"
                         + done.stderr.decode()[-2000:])
    return known


def explanation(word):
    return next((why for mask, value, why in EXPLAINED if word & mask == value), None)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--of-32", type=int, default=32, choices=range(1, 33), metavar="N",
                        help="values of bits 20:16 to try with each value of the bits around")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("decode_words")
    parser.add_argument("llvm_mc")
    options = parser.parse_args()

    words = list(pick_words(random.Random(options.seed), options.of_32))
    accepted, explained, differ = 0, collections.Counter(), []
    for at in range(0, len(words), CHUNK):
        chunk = words[at:at + CHUNK]
        for word, ours, theirs in zip(chunk, ask_ours(options.decode_words, chunk),
                                      ask_llvm(options.llvm_mc, chunk)):
            accepted += ours
            if ours == theirs:
                continue
            why = explanation(word) if theirs else None
            if why:
                explained[why] += 1
            else:
                differ.append((word, "accepted here, not by LLVM" if ours else "accepted by LLVM, not here"))
    for word, what in differ[:SHOWN]:
        print(f"{word:08x} {what}")
    for why, count in explained.items():
        print(f"{count} words: {why}")
    print(f"seed {options.seed}: {len(words)} words, {accepted} accepted, {len(differ)} differ")
    return 1 if differ or not accepted else 0


if __name__ == "__main__":
    sys.exit(main())
