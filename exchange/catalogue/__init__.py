"""The province's list of items: pulled page by page, staged, compared, put in force in one commit; the stream
of changes given to subscribers; town and village items reported upward."""
