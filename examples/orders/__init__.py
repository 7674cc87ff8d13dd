"""Thousands of orders through payment, inventory and shipping on three peers, while the leader is killed and another
peer is frozen.

Law: nothing in here knows more of Quorate than a user does: `import quorate`, the `quorate` command, HTTP. Whether it
went well is judged by books that the cluster does not keep: the gateway's own ledger, the inventory, the shipping
records.
"""
