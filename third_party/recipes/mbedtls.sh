# The configuration takes the place of upstream's own, so that users need no flag to agree with it.
ours=(os/tls/mbedtls_config.h)
recipe() {
	cp "$top/os/tls/mbedtls_config.h" include/mbedtls/mbedtls_config.h
	archive mbedtls "-Iinclude -Ilibrary" library/*.c
	# Few bytes, and signatures and ChaCha20 take half the time.
	archive mbedtls "-O2 -Iinclude -Ilibrary" library/{bignum_core,ecp_curves,chacha20}.c
	headers . include/mbedtls include/psa
	rm "$out"/include/CMakeLists.txt 2>/dev/null || true
}
