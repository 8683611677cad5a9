// The kinds of panels: plugins of a Grafana server, put together here from the components that Grafana publishes.
// Curves, figures and tables are Grafana's own; pie and timeline are drawn here, because no package has them.

import React from 'react';
import { EventBusSrv, FieldColorModeId, FieldConfigProperty, PanelPlugin } from '@grafana/data';
import { cacheFieldDisplayNames, getFieldDisplayValues } from '@grafana/data';
import { config } from '@grafana/runtime';
import { BigValue, PanelContextProvider, TimeSeries, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';

const bus = new EventBusSrv();

// What Grafana's plugins take where a dashboard says nothing.
const CUSTOM: Record<string, unknown> = {
  align: 'auto',
  axisPlacement: 'auto',
  barAlignment: 0,
  cellOptions: { type: 'auto' },
  drawStyle: 'line',
  fillOpacity: 0,
  filterable: false,
  gradientMode: 'none',
  hideFrom: { viz: false, legend: false, tooltip: false },
  inspect: false,
  lineInterpolation: 'linear',
  lineStyle: { fill: 'solid' },
  lineWidth: 1,
  pointSize: 5,
  scaleDistribution: { type: 'linear' },
  showPoints: 'auto',
  spanNulls: false,
  stacking: { mode: 'none', group: 'A' },
  thresholdsStyle: { mode: 'off' },
};

function Curves({ data, timeRange, timeZone, width, height, options }: any) {
  if (!data.series.length) {
    return <div>No data</div>;
  }
  const same = { frames: data.series, structureRev: data.structureRev, timeRange, timeZone, width, height, options };
  return (
    <PanelContextProvider value={{ eventsScope: 'board', eventBus: bus } as any}>
      <TimeSeries {...same} legend={options.legend} />
    </PanelContextProvider>
  );
}

// The figures of a panel, each with its text and colour.
function figures({ fieldConfig, options, replaceVariables, data, timeZone }: any) {
  const { reduceOptions } = options;
  const theme = config.theme2;
  return getFieldDisplayValues({ fieldConfig, reduceOptions, replaceVariables, theme, data: data.series, timeZone });
}

function said({ prefix = '', text, suffix = '' }: any): string {
  return prefix + text + suffix;
}

function Stat(props: any) {
  const { width, height, options } = props;
  const one = ({ value, width, height }: any) => (
    <BigValue value={value.display} theme={config.theme2} {...{ width, height }} {...options} />
  );
  return (
    <VizRepeater
      getValues={() => figures(props)}
      renderValue={one}
      source={props.data}
      renderCounter={props.renderCounter}
      orientation={options.orientation ?? 'auto'}
      autoGrid={true}
      {...{ width, height }}
    />
  );
}

function Rows({ data, width, height, fieldConfig, options, timeRange }: any) {
  const [frame] = data.series;
  if (!frame) {
    return <div>{fieldConfig.defaults.noValue}</div>;
  }
  cacheFieldDisplayNames(data.series); // the table reads a column's name there
  return <TableNG data={frame} initialSortBy={options.sortBy} {...{ width, height, fieldConfig, timeRange }} />;
}

function Pie(props: any) {
  const parts = figures(props).filter((one) => one.display.numeric > 0);
  const sum = parts.reduce((total, one) => total + one.display.numeric, 0);
  const size = Math.min(props.height - 16, props.width / 2);
  let until = 0;
  const slices = parts.map(({ display }) => {
    const begin = until;
    until += (100 * display.numeric) / sum;
    return `${display.color} ${begin}% ${until}%`;
  });
  const ring = 'radial-gradient(closest-side, transparent 60%, black 61%)';
  const round = { width: size, height: size, borderRadius: '50%', mask: ring };
  return (
    <div style={{ display: 'flex', alignItems: 'center', gap: 24, height: props.height }}>
      <div style={{ ...round, background: `conic-gradient(${slices.join()})` }} />
      <div>
        {parts.map(({ display }) => (
          <div key={display.title}>
            <span style={{ color: display.color }}>■</span> {display.title}: {said(display)},{' '}
            {((100 * display.numeric) / sum).toFixed(0)}%
          </div>
        ))}
      </div>
    </div>
  );
}

// A row a device; a state lasts until the next point, and a point without one is a gap.
function States({ data, timeRange }: any) {
  const [begin, end] = [timeRange.from.valueOf(), timeRange.to.valueOf()];
  const share = (time: number) => `${(100 * (Math.min(time, end) - begin)) / (end - begin)}%`;
  return data.series.map(({ fields: [times, states] }: any) => (
    <div key={states.config.displayNameFromDS} style={{ display: 'flex', margin: '5px 0' }}>
      <div style={{ width: 90, fontSize: 12 }}>{states.config.displayNameFromDS}</div>
      <div style={{ flex: 1, display: 'grid' }}>
        {states.values.map((state: unknown, place: number) => {
          if (state === null || state === states.values[place - 1]) {
            return null;
          }
          const next = states.values.findIndex((other: unknown, later: number) => later > place && other !== state);
          const left = share(times.values[place]);
          const width = `calc(${share(next < 0 ? end : times.values[next])} - ${left})`;
          const background = states.display(state).color;
          return <div key={place} style={{ gridArea: '1/1', height: 18, marginLeft: left, width, background }} />;
        })}
      </div>
    </div>
  ));
}

function plugin(id: string, component: any, color: FieldColorModeId): PanelPlugin {
  const made = new PanelPlugin(component);
  made.meta = { id, name: id, type: 'panel', info: {}, module: '', baseUrl: '', sort: 1 } as any;
  made.useFieldConfig({
    standardOptions: { [FieldConfigProperty.Color]: { defaultValue: { mode: color } } },
    useCustomConfig: (builder: any) => {
      for (const [id, defaultValue] of Object.entries(CUSTOM)) {
        builder.addCustomEditor(option(id, defaultValue));
      }
    },
  });
  return made;
}

// An option of a field: taken as it stands in the dashboard; its editor is never seen.
export function option(id: string, defaultValue?: unknown) {
  const process = (value: unknown) => value;
  const always = { editor: () => null, override: process, process, shouldApply: () => true };
  return { id, path: id, name: id, defaultValue, ...always };
}

export const plugins: Record<string, PanelPlugin> = {
  piechart: plugin('piechart', Pie, FieldColorModeId.PaletteClassic),
  stat: plugin('stat', Stat, FieldColorModeId.Thresholds),
  'state-timeline': plugin('state-timeline', States, FieldColorModeId.Thresholds),
  table: plugin('table', Rows, FieldColorModeId.Thresholds),
  timeseries: plugin('timeseries', Curves, FieldColorModeId.PaletteClassic),
};
