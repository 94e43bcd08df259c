#!/bin/sh
# Compile every room for macOS on Apple Silicon, warnings being errors, into build/macos. It also
# links: the symbols of libraries that are not here are left for the Mac to find.
#
# The C compiler is Zig's, from the virtual environment (tools/venv.sh); it brings the headers of
# macOS. Those of the libraries are this host's own, which are the same everywhere.
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
exec "$zig" -m ziglang cc -target aarch64-macos -UNDEBUG "\$@"
END
cat >"$mac/ar.new" <<END
#!/bin/sh
export ZIG_GLOBAL_CACHE_DIR="$root/build/zig-cache" ZIG_LOCAL_CACHE_DIR="$root/build/zig-cache"
exec "$zig" -m ziglang ar "\$@"
END
for tool in cc ar; do
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

sed "s|@MAC@|$mac|g" tools/cross-macos.ini >"$mac/cross.ini"
if [ ! -f build/macos/build.ninja ]; then
    meson setup build/macos --cross-file "$mac/cross.ini"
fi
ninja -C build/macos
