"""HTTP, served by every peer alike: the calls of the contract, on aiohttp.

Law: bad input ends here. A request is parsed and validated once, into typed values; what is wrong with it is told
as a problem that names the
field, and nothing of it reaches the log. HTTP decides nothing about tasks: it asks the peer (`ports.PeerPort`) and
tells the answer.
"""

from quorate.node.http.ports import HistoryList, PeerPort
from quorate.node.http.server import HttpServer, create_server
from quorate.node.http.settings import HttpLimits, HttpSettings

__all__ = ["HistoryList", "HttpLimits", "HttpServer", "HttpSettings", "PeerPort", "create_server"]
