"""What a restart does with the chain: compare the journal's head with the high-water mark.

| journal's head, against the keystore's chain and mark | decision |
|---|---|
| no chain was ever begun | FIRST: begin one, reason 0 |
| same chain, number and hash | CONTINUE |
| same chain, number above the mark | ADOPT: a power cut came between journal and mark |
| no batch of a begun chain became durable | CONTINUE with its batch 1, same origin |
| same chain, number below the mark; or same number, other hash | RESTART, reason 1 |
| another chain, or nothing | RESTART, reason 1 |

Only ADOPT goes on from what the journal says; it never goes back. Pure: nothing is written here.
"""

CONTINUE = "continue"
ADOPT = "adopt"
FIRST = "first"
RESTART = "restart"


def decide(keystore, head_chain, head_number, head_hash):
    """One of the four decisions for what the journal holds (`head_chain` None: nothing)."""
    if not keystore.has_chain():
        return FIRST
    mark = keystore.mark
    if head_chain is None or bytes(head_chain) != keystore.chain_16 or not head_number:
        return RESTART if mark.number else CONTINUE
    if head_number > mark.number:
        return ADOPT
    if head_number == mark.number and bytes(head_hash) == mark.hash_32:
        return CONTINUE
    return RESTART
