// Scenes 7.4 builds panels by code with these, which the schema of Grafana 12.4 has no more; dashboards do without.
export const defaultOptions = {};
