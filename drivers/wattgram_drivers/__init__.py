"""Read PV inverters, meters and batteries over Modbus: maps, plans, buses. Knows physics, not carbon."""
