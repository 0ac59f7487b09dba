# No DTDs and no general entities: nothing expands, nothing is fetched. XML_MIN_SIZE: 19 kB less; it
# still reads over 300 MB/s.
recipe() {
	cd expat
	cat >expat_config.h <<-END
		#define BYTEORDER 1234
		#define HAVE_GETRANDOM 1
		#define XML_CONTEXT_BYTES 0
		#define XML_GE 0
		#define XML_NS 1
		#define PACKAGE_STRING "expat"
	END
	archive expat "-I. -DHAVE_EXPAT_CONFIG_H -DXML_STATIC -DXML_MIN_SIZE -D_GNU_SOURCE" lib/{xmlparse,xmlrole,xmltok,random_getrandom}.c
	headers . lib/expat.h lib/expat_external.h
}
