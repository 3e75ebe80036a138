"""Modbus master: RTU, TCP and RTU over TCP, function codes 3 and 4."""
