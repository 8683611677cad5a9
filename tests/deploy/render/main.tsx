// Draws one dashboard, `window.asked`, with Grafana's own scenes: {board: its JSON, from, to: ISO 8601}.

import React from 'react';
import { createRoot } from 'react-dom/client';
import { from, map } from 'rxjs';
import { MemoryRouter } from 'react-router-dom';
import { ThemeContext, LoadingState, createTheme } from '@grafana/data';
import { standardEditorsRegistry, standardFieldConfigEditorRegistry } from '@grafana/data';
import { config, setDataSourceSrv, setPluginImportUtils, setRunRequest } from '@grafana/runtime';
import { GlobalStyles } from '@grafana/ui';
import {
  EmbeddedScene,
  QueryVariable,
  SceneGridItem,
  SceneGridLayout,
  SceneGridRow,
  SceneQueryRunner,
  SceneTimeRange,
  SceneVariableSet,
  VariableValueSelectors,
  VizPanel,
  sceneGraph,
  sceneUtils,
} from '@grafana/scenes';
import { Influx } from './influx';
import { option, plugins } from './panels';

// Grafana keeps 40 points a column of its grid at this width of the window, 200 at least in a small panel.
const POINTS_A_COLUMN = 40;
const FEWEST_POINTS = 200;

const FIELD_OPTIONS = [
  'actions',
  'color',
  'decimals',
  'displayName',
  'fieldMinMax',
  'filterable',
  'links',
  'mappings',
  'max',
  'min',
  'noValue',
  'thresholds',
  'unit',
];

// What a server's start would have set up.
function prepare(theme: any) {
  config.theme2 = theme;
  config.theme = theme.v1;
  standardEditorsRegistry.setInit(() => []);
  standardFieldConfigEditorRegistry.setInit(() => FIELD_OPTIONS.map((id) => option(id) as any));
  setPluginImportUtils({
    importPanelPlugin: async (id: string) => plugins[id],
    getPanelPluginFromCache: (id: string) => plugins[id],
  });
  setDataSourceSrv({
    getInstanceSettings: (asked: any) => ({ uid: asked?.uid, type: 'influxdb', name: 'wattgram', meta: {} }),
    getList: () => [],
  } as any);
  setRunRequest(((source: any, request: any) => {
    const done = ({ data }: any) => ({ state: LoadingState.Done, series: data, timeRange: request.range, request });
    return from(source.query(request)).pipe(map(done));
  }) as any);
}

function variable({ name, label, query, datasource, multi, includeAll, sort }: any) {
  const all = includeAll ? { value: ['$__all'], text: ['All'] } : {};
  return new QueryVariable({ name, label, query, datasource, sort, isMulti: multi, includeAll, ...all });
}

function panel({ type, title, description, options = {}, fieldConfig, datasource, targets, interval, gridPos }: any) {
  const maxDataPoints = Math.max(FEWEST_POINTS, gridPos.w * POINTS_A_COLUMN);
  const $data = new SceneQueryRunner({ datasource, queries: targets, minInterval: interval, maxDataPoints });
  return new VizPanel({ pluginId: type, title, description, options, fieldConfig, $data });
}

function item(one: any) {
  const { x, y, w: width, h: height } = one.gridPos;
  return one.type === 'row'
    ? new SceneGridRow({ title: one.title, y })
    : new SceneGridItem({ x, y, width, height, body: panel(one) });
}

function scene({ board, from, to }: any): EmbeddedScene {
  const source = new Influx('influxdb', board.templating.list[0].datasource.uid);
  sceneUtils.registerRuntimeDataSource({ dataSource: source });
  return new EmbeddedScene({
    $timeRange: new SceneTimeRange({ from, to, timeZone: board.timezone }),
    $variables: new SceneVariableSet({ variables: board.templating.list.map(variable) }),
    controls: [new VariableValueSelectors({})],
    body: new SceneGridLayout({ children: board.panels.map(item) }),
  });
}

const theme = createTheme({ colors: { mode: 'dark' } });
prepare(theme);
const shown = scene((window as any).asked);

// Whether every panel has its answer.
(window as any).answered = () =>
  sceneGraph
    .findAllObjects(shown, (one) => one instanceof SceneQueryRunner)
    .every((one) => (one as SceneQueryRunner).state.data?.state === LoadingState.Done);

createRoot(document.getElementById('root')!).render(
  <ThemeContext.Provider value={theme}>
    <GlobalStyles />
    <MemoryRouter>
      <div style={{ display: 'flex', minHeight: '100vh', padding: 8 }}>
        <shown.Component model={shown} />
      </div>
    </MemoryRouter>
  </ThemeContext.Provider>,
);
