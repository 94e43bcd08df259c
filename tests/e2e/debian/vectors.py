#!/usr/bin/env python3
"""Published test vectors through OpenSSL's libcrypto (by ctypes): prints "ok N vectors", or the
names of those that differ. Runs in a guest, and on any host with OpenSSL 3.

OPENSSL_armcap=0 in the environment makes libcrypto do without the CPU's instructions for ciphers.
"""

import base64
import ctypes
import ctypes.util
import sys

P, SIZE = ctypes.c_void_p, ctypes.c_size_t
crypto = ctypes.CDLL(ctypes.util.find_library("crypto") or "libcrypto.so.3")
SET_IV_LENGTH, GET_TAG, SET_TAG = 0x9, 0x10, 0x11  # EVP_CTRL_AEAD_...

# (source, digest, message, result)
DIGESTS = [
    ("RFC 1321, A.5", "MD5", b"message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
    ("FIPS 180-4", "SHA1", b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
    ("FIPS 180-4", "SHA224", b"abc", "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
    ("FIPS 180-4", "SHA256", b"abc",
     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ("FIPS 180-4", "SHA256", b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"),
    ("FIPS 180-4", "SHA256", b"a" * 1_000_000,
     "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ("FIPS 180-4", "SHA384", b"abc",
     "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
     "8086072ba1e7cc2358baeca134c825a7"),
    ("FIPS 180-4", "SHA512", b"abc",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
     "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"),
    ("FIPS 180-4", "SHA512-256", b"abc",
     "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"),
    ("FIPS 202", "SHA3-224", b"abc", "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf"),
    ("FIPS 202", "SHA3-256", b"abc",
     "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
    ("FIPS 202", "SHA3-384", b"abc",
     "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b2"
     "98d88cea927ac7f539f1edf228376d25"),
    ("FIPS 202", "SHA3-512", b"abc",
     "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e"
     "10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0"),
    ("RFC 7693, A", "BLAKE2b512", b"abc",
     "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
     "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"),
]

# (source, digest, key, message, result)
HMACS = [
    ("RFC 4231, 4.2", "SHA224", b"\x0b" * 20, b"Hi There",
     "896fb1128abbdf196832107cd49df33f47b4b1169912ba4f53684b22"),
    ("RFC 4231, 4.2", "SHA256", b"\x0b" * 20, b"Hi There",
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    ("RFC 4231, 4.2", "SHA384", b"\x0b" * 20, b"Hi There",
     "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c"
     "faea9ea9076ede7f4af152e8b2fa9cb6"),
    ("RFC 4231, 4.2", "SHA512", b"\x0b" * 20, b"Hi There",
     "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
     "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"),
    ("RFC 4231, 4.3", "SHA256", b"Jefe", b"what do ya want for nothing?",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    ("RFC 4231, 4.7", "SHA256", b"\xaa" * 131,
     b"Test Using Larger Than Block-Size Key - Hash Key First",
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
]

KEY_197 = bytes(range(32))
PLAIN_197 = "00112233445566778899aabbccddeeff"
KEY_38A = "2b7e151628aed2a6abf7158809cf4f3c"
KEY256_38A = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"
IV_38A = "000102030405060708090a0b0c0d0e0f"
COUNTER_38A = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
PLAIN_38A = ("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
             "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710")
SUNSCREEN = (b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
             b"future, sunscreen would be it.").hex()

# (source, cipher, key, iv, plain, cipher text)
CIPHERS = [
    ("FIPS 197, C.1", "AES-128-ECB", KEY_197[:16].hex(), "", PLAIN_197,
     "69c4e0d86a7b0430d8cdb78070b4c55a"),
    ("FIPS 197, C.2", "AES-192-ECB", KEY_197[:24].hex(), "", PLAIN_197,
     "dda97ca4864cdfe06eaf70a0ec0d7191"),
    ("FIPS 197, C.3", "AES-256-ECB", KEY_197.hex(), "", PLAIN_197,
     "8ea2b7ca516745bfeafc49904b496089"),
    ("SP 800-38A, F.2.1", "AES-128-CBC", KEY_38A, IV_38A, PLAIN_38A,
     "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
     "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7"),
    ("SP 800-38A, F.2.5", "AES-256-CBC", KEY256_38A, IV_38A, PLAIN_38A,
     "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
     "39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b"),
    ("SP 800-38A, F.3.13", "AES-128-CFB", KEY_38A, IV_38A, PLAIN_38A,
     "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b"
     "26751f67a3cbb140b1808cf187a4f4dfc04b05357c5d1c0eeac4c66f9ff7f2e6"),
    ("SP 800-38A, F.4.1", "AES-128-OFB", KEY_38A, IV_38A, PLAIN_38A,
     "3b3fd92eb72dad20333449f8e83cfb4a7789508d16918f03f53c52dac54ed825"
     "9740051e9c5fecf64344f7a82260edcc304c6528f659c77866a510d9c1d6ae5e"),
    ("SP 800-38A, F.5.1", "AES-128-CTR", KEY_38A, COUNTER_38A, PLAIN_38A,
     "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
     "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee"),
    ("SP 800-38A, F.5.5", "AES-256-CTR", KEY256_38A, COUNTER_38A, PLAIN_38A,
     "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
     "2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6"),
    ("IEEE 1619, vector 2", "AES-128-XTS", "11" * 16 + "22" * 16, "33" * 5 + "00" * 11, "44" * 32,
     "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0"),
    ("RFC 8439, 2.4.2", "ChaCha20", KEY_197.hex(), "01000000" + "000000000000004a00000000",
     SUNSCREEN,
     "6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0b"
     "f91b65c5524733ab8f593dabcd62b3571639d624e65152ab8f530c359f0861d8"
     "07ca0dbf500d6a6156a38e088a22b65e52bc514d16ccf806818ce91ab7793736"
     "5af90bbf74a35be6b40b8eedf2785e42874d"),
]

GCM_KEY, GCM_IV = "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888"
GCM_AAD = "feedfacedeadbeeffeedfacedeadbeefabaddad2"
GCM_PLAIN = ("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
             "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39")

# (source, cipher, key, nonce, aad, plain, cipher text, tag)
AEADS = [
    ("SP 800-38D, case 1", "AES-128-GCM", "00" * 16, "00" * 12, "", "", "",
     "58e2fccefa7e3061367f1d57a4e7455a"),
    ("SP 800-38D, case 4", "AES-128-GCM", GCM_KEY, GCM_IV, GCM_AAD, GCM_PLAIN,
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
     "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
     "5bc94fbc3221a5db94fae95ae7121a47"),
    ("SP 800-38D, case 16", "AES-256-GCM", GCM_KEY * 2, GCM_IV, GCM_AAD, GCM_PLAIN,
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
     "76fc6ece0f4e1768cddf8853bb2d551b"),
    ("RFC 8439, 2.8.2", "ChaCha20-Poly1305", bytes(range(0x80, 0xa0)).hex(),
     "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7", SUNSCREEN,
     "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
     "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
     "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
     "3ff4def08e4b7a9de576d26586cec64b6116",
     "1ae10b594f09e26a7e902ecbd0600691"),
]

# (source, kind, private, public of the other, shared)
EXCHANGES = [
    ("RFC 7748, 6.1", "X25519", "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
     "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
     "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"),
    ("RFC 7748, 6.2", "X448",
     "9a8f4925d1519f5775cf46b04b5800d4ee9ee8bae8bc5565d498c28dd9c9baf5"
     "74a9419744897391006382a6f127ab1d9ac2d8c0a598726b",
     "3eb7a829b0cd20f5bcfc0b599b6feccf6da4627107bdb0d4f345b43027d8b972"
     "fc3e34fb4232a13ca706dcb57aec3dae07bdc1c67bf33609",
     "07fff4181ac6cc95ec1c16a94a0f74d12da232ce40a77552281d282bb60c0b56"
     "fd2464c335543936521c24403085d59a449a5037514a879d"),
]

# (source, private, public, message, signature)
ED25519 = [
    ("RFC 8032, 7.1 test 1", "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b4"
     "6bd25bf5f0595bbe24655141438e7a100b"),
    ("RFC 8032, 7.1 test 2", "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d"
     "8c387b2eaeb4302aeeb00d291612bb0c00"),
]

# RFC 6979, A.2.5 (P-256, SHA-256): public key, message, signature (r, s).
P256 = ("60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
        "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299")
P256_SIGNATURES = [
    (b"sample", "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
     "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"),
    (b"test", "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367",
     "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083"),
]

# RFC 7515, A.2 (RSA 2048, PKCS #1 v1.5, SHA-256): modulus, what is signed, signature.
RSA_N = ("ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4"
         "d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5re"
         "xMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxX"
         "FvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ")
RSA_SIGNED = (b"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtc"
              b"GxlLmNvbS9pc19yb290Ijp0cnVlfQ")
RSA_SIGNATURE = (
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5juj"
    "Gbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe"
    "7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8"
    "np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw")


def call(name, result, *args):
    function = getattr(crypto, name)
    function.restype = result
    return function(*args)


def must(value, what):
    if not value:
        raise RuntimeError(f"libcrypto: {what} failed")
    return value


def handle(name, *args):
    return P(must(call(name, P, *args), name))


def fetched(name, algorithm):
    return handle(name, None, algorithm.encode(), None)


def digest(algorithm, message):
    out, size = ctypes.create_string_buffer(64), ctypes.c_uint()
    must(call("EVP_Digest", ctypes.c_int, message, SIZE(len(message)), out, ctypes.byref(size),
              fetched("EVP_MD_fetch", algorithm), None), "EVP_Digest")
    return out.raw[:size.value]


def hmac(algorithm, key, message):
    out, size = ctypes.create_string_buffer(64), ctypes.c_uint()
    must(call("HMAC", P, fetched("EVP_MD_fetch", algorithm), key, len(key), message,
              SIZE(len(message)), out, ctypes.byref(size)), "HMAC")
    return out.raw[:size.value]


def cipher(algorithm, key, iv, data, encrypt, aad=None, tag=None):
    """(output, tag); None for the output if the tag is wrong."""
    context = handle("EVP_CIPHER_CTX_new")
    kind, size = fetched("EVP_CIPHER_fetch", algorithm), ctypes.c_int()
    out = ctypes.create_string_buffer(len(data) + 64)

    def ok(name, *args):
        return call(name, ctypes.c_int, context, *args)

    must(ok("EVP_CipherInit_ex", kind, None, None, None, int(encrypt)), algorithm)
    if aad is not None:
        must(ok("EVP_CIPHER_CTX_ctrl", SET_IV_LENGTH, len(iv), None), "the length of the nonce")
    must(ok("EVP_CipherInit_ex", None, None, key, iv or None, int(encrypt)), "the key")
    ok("EVP_CIPHER_CTX_set_padding", 0)
    if aad:
        must(ok("EVP_CipherUpdate", None, ctypes.byref(size), aad, len(aad)), "aad")
    if tag and not encrypt:
        must(ok("EVP_CIPHER_CTX_ctrl", SET_TAG, len(tag), tag), "the tag")
    must(ok("EVP_CipherUpdate", out, ctypes.byref(size), data, len(data)), "EVP_CipherUpdate")
    rest, made = ctypes.create_string_buffer(64), size.value
    good = ok("EVP_CipherFinal_ex", rest, ctypes.byref(size))
    if aad is not None and encrypt:
        must(ok("EVP_CIPHER_CTX_ctrl", GET_TAG, 16, rest), "the tag")
    call("EVP_CIPHER_CTX_free", None, context)
    return (out.raw[:made] if good else None), rest.raw[:16]


def raw_key(kind, data, public):
    name = "EVP_PKEY_new_raw_public_key_ex" if public else "EVP_PKEY_new_raw_private_key_ex"
    return handle(name, None, kind.encode(), None, data, SIZE(len(data)))


def exchange(kind, private, public):
    context = handle("EVP_PKEY_CTX_new", raw_key(kind, private, False), None)
    out, size = ctypes.create_string_buffer(64), SIZE(64)
    must(call("EVP_PKEY_derive_init", ctypes.c_int, context) == 1, "derive")
    must(call("EVP_PKEY_derive_set_peer", ctypes.c_int, context, raw_key(kind, public, True)) == 1,
         "the other's key")
    must(call("EVP_PKEY_derive", ctypes.c_int, context, out, ctypes.byref(size)) == 1, "derive")
    return out.raw[:size.value]


def sign(key, message):
    context, out, size = handle("EVP_MD_CTX_new"), ctypes.create_string_buffer(512), SIZE(512)
    must(call("EVP_DigestSignInit", ctypes.c_int, context, None, None, None, key) == 1, "sign")
    must(call("EVP_DigestSign", ctypes.c_int, context, out, ctypes.byref(size), message,
              SIZE(len(message))) == 1, "sign")
    return out.raw[:size.value]


def verify(key, algorithm, message, signature):
    context = handle("EVP_MD_CTX_new")
    kind = fetched("EVP_MD_fetch", algorithm) if algorithm else None
    must(call("EVP_DigestVerifyInit", ctypes.c_int, context, None, kind, None, key) == 1, "verify")
    return call("EVP_DigestVerify", ctypes.c_int, context, signature, SIZE(len(signature)), message,
                SIZE(len(message))) == 1


def der(tag, *parts):
    body = b"".join(parts)
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8 or 1, "big")
    return bytes([tag]) + (size if len(body) < 128 else bytes([0x80 | len(size)]) + size) + body


def der_number(value):
    return der(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def public_key(algorithm, key):
    """From a SubjectPublicKeyInfo (RFC 5280, 4.1.2.7) with this AlgorithmIdentifier."""
    data = der(0x30, der(0x30, bytes.fromhex(algorithm)), der(3, b"\0", key))
    start = ctypes.c_char_p(data)
    return handle("d2i_PUBKEY", None, ctypes.byref(start), ctypes.c_long(len(data)))


def p256():
    # id-ecPublicKey, prime256v1; an uncompressed point
    return public_key("06072a8648ce3d020106082a8648ce3d030107", b"\x04" + bytes.fromhex(P256))


def rsa():
    # rsaEncryption, NULL
    return public_key("06092a864886f70d0101010500",
                      der(0x30, der_number(int.from_bytes(unbase64(RSA_N), "big")), der_number(65537)))


def unbase64(text):
    return base64.urlsafe_b64decode(text + "==")


def changed(data):
    return bytes([data[0] ^ 1]) + data[1:]


def checks():
    """(name, is it right)"""
    for source, algorithm, message, want in DIGESTS:
        yield f"{source}: {algorithm}", digest(algorithm, message).hex() == want
    for source, algorithm, key, message, want in HMACS:
        yield f"{source}: HMAC-{algorithm}", hmac(algorithm, key, message).hex() == want
    for source, algorithm, *data in CIPHERS:
        key, iv, plain, text = map(bytes.fromhex, data)
        yield f"{source}: {algorithm}", cipher(algorithm, key, iv, plain, True)[0] == text
        yield f"{source}: {algorithm}, back", cipher(algorithm, key, iv, text, False)[0] == plain
    for source, algorithm, *data in AEADS:
        key, iv, aad, plain, text, tag = map(bytes.fromhex, data)
        yield f"{source}: {algorithm}", cipher(algorithm, key, iv, plain, True, aad) == (text, tag)
        yield f"{source}: {algorithm}, back", \
            cipher(algorithm, key, iv, text, False, aad, tag)[0] == plain
        yield f"{source}: {algorithm}, wrong tag", \
            cipher(algorithm, key, iv, text, False, aad, changed(tag))[0] is None
    for source, kind, *data in EXCHANGES:
        private, public, shared = map(bytes.fromhex, data)
        yield f"{source}: {kind}", exchange(kind, private, public) == shared
    for source, *data in ED25519:
        private, public, message, signature = map(bytes.fromhex, data)
        yield f"{source}: sign", sign(raw_key("ED25519", private, False), message) == signature
        key = raw_key("ED25519", public, True)
        yield f"{source}: verify", verify(key, None, message, signature)
        yield f"{source}: verify another", not verify(key, None, message, changed(signature))
    for message, r, s in P256_SIGNATURES:
        signature = der(0x30, der_number(int(r, 16)), der_number(int(s, 16)))
        yield f"RFC 6979, A.2.5: {message}", verify(p256(), "SHA256", message, signature)
        yield f"RFC 6979, A.2.5: not {message}", not verify(p256(), "SHA256", b"other", signature)
    signature = unbase64(RSA_SIGNATURE)
    yield "RFC 7515, A.2", verify(rsa(), "SHA256", RSA_SIGNED, signature)
    yield "RFC 7515, A.2: another", not verify(rsa(), "SHA256", RSA_SIGNED, changed(signature))


def main():
    done = list(checks())
    wrong = [name for name, right in done if not right]
    print("\n".join(f"WRONG {name}" for name in wrong) if wrong else f"ok {len(done)} vectors")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
