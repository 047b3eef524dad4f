/*
 * preload.c
 *		Lets the address sanitizer into a server that is not built with it; preloaded after it.
 *
 * The sanitizer comes up with the first malloc(), and looks for this function, which it takes for Swift's.
 * Not to find it is an error, with a message, which gettext translates.  But the first malloc() of a
 * server is gettext's own, from a library's constructor, which holds gettext's lock: for ever.
 */
extern char *swift_demangle(void);

char *
swift_demangle(void)
{
	return 0;
}
