#!/bin/sh
# Compile every room for macOS on Apple Silicon, warnings being errors, into build/macos, and link all
# programs. The symbols of libraries that are not here, Hypervisor.framework among them, are left for
# the Mac to find; tools/machocheck.py knows which there may be. Then it is tried that every link is
# followed by a signature.
#
# The C compiler is Zig's, from the virtual environment (tools/venv.sh); it brings the headers of
# macOS. Those of the libraries are this host's own, which are the same everywhere, and that of
# Hypervisor.framework is ours.
set -eu
cd "$(dirname "$0")/.."

tools/venv.sh
root=$PWD
zig=$root/build/venv/bin/python
mac=$root/build/macos-tools
mkdir -p "$mac/include" "$mac/pkgconfig"

# Meson asks compilers which linker they have, and does not know the answer of this one: it is one
# with the manners of Apple's.
cat >"$mac/cc.new" <<END
#!/bin/sh
for arg; do
    case \$arg in
    -Wl,--version) echo "ld: unknown option: --version" >&2; exit 1 ;;
    -Wl,-v) echo "PROJECT:ld-1" >&2; exit 1 ;;
    esac
done
export ZIG_GLOBAL_CACHE_DIR="$root/build/zig-cache" ZIG_LOCAL_CACHE_DIR="$root/build/zig-cache"
# Optimizing, it would switch assertions off: ours stay on.
exec "$zig" -m ziglang cc -target aarch64-macos.15.0 -UNDEBUG "\$@"
END
cat >"$mac/ar.new" <<END
#!/bin/sh
export ZIG_GLOBAL_CACHE_DIR="$root/build/zig-cache" ZIG_LOCAL_CACHE_DIR="$root/build/zig-cache"
exec "$zig" -m ziglang ar "\$@"
END
# In the place of codesign(1): a signature is a line in a file, and gone when the program is younger.
cat >"$mac/codesign.new" <<'END'
#!/bin/sh
set -eu
for program; do :; done # the last word
line="$(stat -c %Y:%i "$program") $program"
case $* in
*--verify*) grep -qxF "$line" "$SIGNED" ;;
*--display*) echo com.apple.security.hypervisor ;;
*"--force --sign - --entitlements "*ignition.entitlements*)
    cp "$program" "$program.new"
    touch -r "$program" "$program.new"
    mv "$program.new" "$program"
    echo "$(stat -c %Y:%i "$program") $program" >>"$SIGNED"
    ;;
*) exit 1 ;;
esac
END
for tool in cc ar codesign; do
    chmod +x "$mac/$tool.new"
    mv "$mac/$tool.new" "$mac/$tool"
done

# The libraries' headers, apart from the C library's of this host.
for header in cbor.h cbor cmocka.h event2 evutil.h event.h fdt.h jansson.h jansson_config.h libfdt.h libfdt_env.h \
    xxhash.h zlib.h zconf.h zstd.h zstd_errors.h; do
    for dir in /usr/include "/usr/include/$(gcc -dumpmachine)"; do
        [ ! -e "$dir/$header" ] || cp -Rp "$dir/$header" "$mac/include/"
    done
done
for module in libevent libevent_pthreads libcbor libxxhash libzstd zlib libfdt jansson cmocka; do
    printf 'Name: %s\nDescription: headers alone\nVersion: %s\nCflags: -I%s\n' "$module" \
        "$(pkg-config --modversion "$module" 2>/dev/null || echo 0)" "$mac/include" \
        >"$mac/pkgconfig/$module.pc"
done

sed "s|@MAC@|$mac|g; s|@ROOT@|$root|g" tools/cross-macos.ini >"$mac/cross.new"
if ! cmp -s "$mac/cross.new" "$mac/cross.ini"; then # meson takes it in once
    rm -rf build/macos
    mv "$mac/cross.new" "$mac/cross.ini"
fi
if [ ! -f build/macos/build.ninja ]; then
    (cd "$mac" && meson setup "$root/build/macos" "$root" --cross-file cross.ini) # it may leave files
fi

export CODESIGN=$mac/codesign SIGNED=$mac/signed
touch "$SIGNED"
ninja -C build/macos
tools/machocheck.py build/macos

# signed PROGRAM...: these, and no others, have been signed since the last look.
signed() {
    for program; do
        tail -n "+$((seen + 1))" "$SIGNED" | grep -q " $program\$" || {
            echo "macos: $program was linked, and not signed" >&2
            exit 1
        }
    done
    if [ "$(wc -l <"$SIGNED")" -ne $((seen + $#)) ]; then
        echo 'macos: signed without need:' >&2
        tail -n "+$((seen + 1))" "$SIGNED" >&2
        exit 1
    fi
    seen=$(wc -l <"$SIGNED")
}
: >"$SIGNED" # as if all had been linked by somebody else
seen=0
rm -f build/macos/src/cli/ignition build/macos/examples/embed build/macos/tests/lib/pair
ninja -C build/macos >/dev/null
signed src/cli/ignition examples/embed tests/lib/pair
ninja -C build/macos >/dev/null
signed
