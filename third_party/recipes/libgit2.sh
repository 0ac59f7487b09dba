# Objects, trees, commits, references, merge, diff, packs, for host programs. Left out: the transports;
# nothing here opens a network connection. An image takes its SHA-1 and nothing else.
ours=(third_party/libgit2/git2_features.h third_party/libgit2/no_transport.c)
deps=(zlib)
recipe() {
	cp "$here/libgit2/git2_features.h" src/util/
	sed 's/#cmakedefine.*//' src/libgit2/experimental.h.in >include/git2/experimental.h
	local def="-D_GNU_SOURCE -fno-strict-aliasing -Iinclude -Isrc/libgit2 -Isrc/util -Ideps/xdiff
		-Isrc/util/hash/sha1dc -DSHA1DC_NO_STANDARD_INCLUDES=1 -include third_party_quotes.h"
	# Macros whose values are quoted file names do not survive word splitting: they stand in a header.
	cat >include/third_party_quotes.h <<-'END'
		#define SHA1DC_CUSTOM_INCLUDE_SHA1_C "git2_util.h"
		#define SHA1DC_CUSTOM_INCLUDE_UBC_CHECK_C "git2_util.h"
	END
	cp "$here/libgit2/no_transport.c" src/libgit2/transport.c
	if [ "$target" = virt ]; then
		archive git2 "${def//[$'\n\t']/ }" src/util/hash/sha1dc/*.c
	else
		archive git2 "${def//[$'\n\t']/ }" src/libgit2/*.c src/libgit2/transports/{credential,ssh,ssh_exec,ssh_libssh2}.c \
			src/libgit2/streams/{mbedtls,openssl,openssl_legacy,openssl_dynamic,registry,socket,tls}.c \
			src/util/*.c src/util/allocators/{stdalloc,debugalloc,failalloc}.c src/util/unix/*.c \
			src/util/hash/{collisiondetect,builtin}.c src/util/hash/sha1dc/*.c src/util/hash/rfc6234/*.c \
			deps/xdiff/*.c
	fi
	rm include/third_party_quotes.h
	headers . include/git2.h include/git2
}
