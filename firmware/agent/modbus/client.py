"""The Modbus masters under one name: `RtuClient`, `TcpClient`, `RtuOverTcpClient`.

All have `await read(unit, function, address, count, longer=0, retries=None) -> bytes`, `add_unit`,
`unit(id).counters` and raise nothing but ModbusError.
"""

from .rtu import RtuClient
from .settings import Limits, Line, limits
from .tcp import RtuOverTcpClient, TcpClient

__all__ = ("Limits", "Line", "RtuClient", "RtuOverTcpClient", "TcpClient", "limits")
