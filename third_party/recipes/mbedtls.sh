# The configuration takes the place of upstream's own, so that users need no flag to agree with it.
ours=(os/tls/mbedtls_config.h os/tls/gcm_alt.h)
recipe() {
	cp "$top/os/tls/mbedtls_config.h" include/mbedtls/mbedtls_config.h
	# Its own GCM under another name, for os/tls/gcm.c, which stands in its place.
	cp "$top/os/tls/gcm_alt.h" include/mbedtls/
	for f in library/gcm.c include/mbedtls/gcm.h; do
		sed 's/mbedtls_gcm_/mbedtls_gcm_plain_/g; s/MBEDTLS_GCM_\(ALT\|H\)\>/MBEDTLS_GCM_PLAIN_\1/; s/"gcm_alt.h"/"gcm_plain_alt.h"/; s,mbedtls/gcm\.h,mbedtls/gcm_plain.h,' \
			"$f" >"${f%.*}_plain.${f##*.}"
	done
	archive mbedtls "-Iinclude -Ilibrary" library/*.c
	# Few bytes, and signatures and ChaCha20 take half the time.
	archive mbedtls "-O2 -Iinclude -Ilibrary" library/{bignum_core,ecp_curves,chacha20}.c
	headers . include/mbedtls include/psa
	rm "$out"/include/CMakeLists.txt 2>/dev/null || true
}
