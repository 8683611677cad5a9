"""Read PV inverters, meters and batteries over Modbus: register maps, read plans, buses."""
