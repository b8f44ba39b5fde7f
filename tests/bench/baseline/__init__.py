"""What we compare ourselves with: the same three services in the style of the FastStream tutorial.

One message, one ORM transaction, and after its commit one awaited publish. No outbox, no inbox, no batches: a crash
between commit and publish loses a message, and a message that comes twice is handled twice unless a key forbids it.
It reads and writes the contracts of the suite, so that both carry the same bytes over the same topics; it is not
slowed down on purpose: uvloop, connection pools, indexes, one SELECT per aggregate, and the framework's default of
committing offsets in the background, which is its cheapest.
"""
