# No gzip files: only the stream calls.
recipe() {
	archive z "-DHAVE_UNISTD_H=1 -DNO_GZIP" adler32.c compress.c crc32.c deflate.c inffast.c inflate.c \
		inftrees.c trees.c uncompr.c zutil.c
	archive z "-O2 -DHAVE_UNISTD_H=1 -DNO_GZIP" inffast.c
	headers . zlib.h zconf.h
}
