// Asks an InfluxDB in InfluxQL, as much as the dashboards need; Grafana's own data source asks by way of its server.

import { DataQueryRequest, FieldType, toDataFrame } from '@grafana/data';
import { RuntimeDataSource, sceneGraph } from '@grafana/scenes';

const DATABASE = 'energy';

export class Influx extends RuntimeDataSource {
  async query(request: DataQueryRequest<any>): Promise<any> {
    const frames = [];
    for (const target of request.targets) {
      const series = await this.ask(expanded(target.query, request));
      frames.push(...(target.resultFormat === 'table' ? table(series, target) : curves(series, target)));
    }
    return { data: frames };
  }

  // What a variable may be chosen from: SHOW TAG VALUES answers with rows of key and value.
  async metricFindQuery(asked: any, request: any) {
    const series = await this.ask(expanded(asked.query, request));
    return series.flatMap((one) => one.values).map(([, value]) => ({ text: value, value }));
  }

  private async ask(query: string): Promise<any[]> {
    const answer = await fetch('/query?' + new URLSearchParams({ db: DATABASE, epoch: 'ms', q: query }));
    const result = (await answer.json()).results?.[0];
    if (!result || result.error) {
      // An error on the console ends the drawing; one that is thrown would be shown in its panel at most.
      console.error(`${query} was answered ${answer.status} ${result?.error}`);
      return [];
    }
    return result.series ?? [];
  }
}

// A query with the shown time, the interval and the variables put in.
function expanded(query: string, { range, interval, scopedVars }: any): string {
  const scene = scopedVars.__sceneObject.value.valueOf();
  const text = query
    .replaceAll('$timeFilter', `time >= ${range.from.valueOf()}ms and time <= ${range.to.valueOf()}ms`)
    .replaceAll('$__interval', interval);
  return sceneGraph.interpolate(scene, text, scopedVars, 'regex');
}

function kind(values: any[]): FieldType {
  return values.some((value) => typeof value === 'string') ? FieldType.string : FieldType.number;
}

function column(series: any, place: number): any[] {
  return series.values.map((row: any[]) => row[place]);
}

// All series below each other; their tags are columns behind the time.
function table(series: any[], target: any) {
  if (!series.length) {
    return [];
  }
  const tags = Object.keys(series[0].tags ?? {});
  const names = ['Time', ...tags, ...series[0].columns.slice(1)];
  const rows = series.flatMap((one) =>
    one.values.map(([time, ...rest]: any[]) => [time, ...tags.map((tag) => one.tags[tag]), ...rest]),
  );
  const fields = names.map((name, place) => {
    const values = rows.map((row) => row[place]);
    return { name, values, type: place ? kind(values) : FieldType.time, config: {} };
  });
  return [toDataFrame({ refId: target.refId, fields })];
}

// A frame a column of each series, named by the alias.
function curves(series: any[], target: any) {
  return series.flatMap((one) =>
    one.columns.slice(1).map((name: string, place: number) => {
      const alias = target.alias?.replace(/\$tag_(\w+)/g, (_: string, tag: string) => one.tags[tag]);
      const called = alias ?? `${one.name}.${name}`;
      const values = column(one, place + 1);
      const fields = [
        { name: 'Time', type: FieldType.time, values: column(one, 0), config: {} },
        { name: 'Value', type: kind(values), values, config: { displayNameFromDS: called }, labels: one.tags },
      ];
      return toDataFrame({ refId: target.refId, name: called, fields });
    }),
  );
}
